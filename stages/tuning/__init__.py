"""Which parameters learn: `train.tuning`."""

TUNING = {
    "full": "stages.tuning.full:Full",
    "layerwise": "stages.tuning.layerwise:Layerwise",
    "gradual": "stages.tuning.gradual:Gradual",
    "frozen": "stages.tuning.frozen:Frozen",
    "bitfit": "stages.tuning.bitfit:BitFit",
    "lora": "stages.tuning.lora:LoRA",
    "ia3": "stages.tuning.ia3:IA3",
    "adapter": "stages.tuning.adapter:Bottleneck",
    "prompt": "stages.tuning.prompt:Prompt",
    "prefix": "stages.tuning.prefix:Prefix",
}
