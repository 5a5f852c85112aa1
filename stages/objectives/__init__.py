"""What is minimised: `train.objective`."""

OBJECTIVES = {
    "plain": "stages.objectives.plain:Plain",
    "smoothed": "stages.objectives.smoothed:Smoothed",
    "focal": "stages.objectives.focal:Focal",
    "rdrop": "stages.objectives.rdrop:RDrop",
    "fgm": "stages.objectives.fgm:FGM",
    "pgd": "stages.objectives.pgd:PGD",
    "freelb": "stages.objectives.freelb:FreeLB",
    "distil": "stages.objectives.distil:Distil",
}
