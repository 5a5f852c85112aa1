"""The stages of the pipeline, the commands beside it, and the rooms they are built from (see CONTRIBUTING.md)."""
