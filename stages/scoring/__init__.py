"""What the scores of all targets share: metrics, their intervals, and how they are told. NumPy alone, never torch."""
