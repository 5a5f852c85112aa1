"""How rows are read from files: `data.format`."""

from stages.formats.csv import Csv
from stages.formats.jsonl import Jsonl
from stages.formats.parquet import Parquet
from stages.formats.tab import Tab
from stages.formats.tsv import Tsv
from stages.interfaces import Format

FORMATS: dict[str, type[Format]] = {"tab": Tab, "tsv": Tsv, "csv": Csv, "jsonl": Jsonl, "parquet": Parquet}
