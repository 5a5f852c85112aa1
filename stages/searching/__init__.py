"""A search over params within a budget: its space, its trials, and the DVC experiment that each trial is."""
