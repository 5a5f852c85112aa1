"""What an example is made of: `input`."""

INPUTS = {
    "text": "stages.inputs.text:Text",
    "pair": "stages.inputs.pair:Pair",
    "words": "stages.inputs.words:Words",
    "marked": "stages.inputs.marked:Marked",
    "chat": "stages.inputs.chat:Chat",
    "passage": "stages.inputs.passage:Passage",
}
