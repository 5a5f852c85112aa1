"""Which parameters learn: `train.tuning`."""

TUNING = {
    "full": "stages.tuning.full:Full",
    "frozen": "stages.tuning.frozen:Frozen",
    "bitfit": "stages.tuning.bitfit:BitFit",
}
