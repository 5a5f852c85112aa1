"""What is learnt: `target`."""

TARGETS = {
    "classes": "stages.targets.classes.data:Classes",
    "tags": "stages.targets.tags.data:Tags",
    "number": "stages.targets.number.data:Number",
    "relations": "stages.targets.relations.data:Relations",
    "labels": "stages.targets.labels.data:Labels",
    "span": "stages.targets.span.data:Span",
    "masked": "stages.targets.masked.data:Masked",
    "next": "stages.targets.next.data:Next",
}
