"""A folder to hand over: the model with its records. Imported by the command `stages.release` alone."""
