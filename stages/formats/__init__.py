"""How rows are read from files: `data.format`."""

from stages.formats.csv import Csv
from stages.formats.folders import Folders
from stages.formats.json import Json
from stages.formats.jsonl import Jsonl
from stages.formats.parquet import Parquet
from stages.formats.tab import Tab
from stages.formats.tsv import Tsv
from stages.interfaces import Format

FORMATS: dict[str, type[Format]] = {
    "tab": Tab,
    "tsv": Tsv,
    "csv": Csv,
    "json": Json,
    "jsonl": Jsonl,
    "parquet": Parquet,
    "folders": Folders,
}
