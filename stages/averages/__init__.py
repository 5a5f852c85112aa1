"""Which weights are validated and kept: `train.average`."""

AVERAGES = {
    "none": "stages.averages.none:Last",
    "ema": "stages.averages.ema:EMA",
    "swa": "stages.averages.swa:SWA",
}
