"""How rows are read from files: `data.format`."""

FORMATS = {
    "tab": "stages.formats.tab:Tab",
    "tsv": "stages.formats.tsv:Tsv",
    "csv": "stages.formats.csv:Csv",
    "json": "stages.formats.json:Json",
    "jsonl": "stages.formats.jsonl:Jsonl",
    "parquet": "stages.formats.parquet:Parquet",
    "conll": "stages.formats.conll:Conll",
    "folders": "stages.formats.folders:Folders",
    "semeval": "stages.formats.semeval:Semeval",
    "squad": "stages.formats.squad:Squad",
}
