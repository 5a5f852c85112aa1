"""What holds the weights to those of the start: `train.regularise`."""

REGULARISERS = {
    "none": "stages.regularisers.none:Free",
    "l2sp": "stages.regularisers.l2sp:L2SP",
    "mixout": "stages.regularisers.mixout:Mixout",
}
