"""The relation between two entities, and its direction."""
