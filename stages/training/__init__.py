"""The loop and its parts: plan, shards, reduction, optimiser, schedule, checkpoint, trace."""
