"""Git, dvc.yaml and dvc.lock, each read in one place, for whoever asks."""
