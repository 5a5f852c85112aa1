"""How stages.predict reads its input; imported by that command alone."""
