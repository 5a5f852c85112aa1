"""How copies of the training rows are made: `augmentation`."""

AUGMENTATION = {
    "none": "stages.augmentation.none:Unaugmented",
    "eda": "stages.augmentation.eda:EDA",
    "noise": "stages.augmentation.noise:Noise",
    "mentions": "stages.augmentation.mentions:Mentions",
    "balance": "stages.augmentation.balance:Balance",
}
