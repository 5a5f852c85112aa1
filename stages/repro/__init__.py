"""What makes a run repeatable: seed streams, the asserted environment, digests, workers. Imports core alone."""
