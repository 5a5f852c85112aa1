"""The token that follows: language modelling."""
