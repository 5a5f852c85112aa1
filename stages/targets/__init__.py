"""What is learnt: `target`."""

TARGETS = {
    "classes": "stages.targets.classes.data:Classes",
    "tags": "stages.targets.tags.data:Tags",
    "number": "stages.targets.number.data:Number",
}
