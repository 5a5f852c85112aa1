"""What is minimised: `train.objective`."""

OBJECTIVES = {
    "plain": "stages.objectives.plain:Plain",
    "smoothed": "stages.objectives.smoothed:Smoothed",
}
