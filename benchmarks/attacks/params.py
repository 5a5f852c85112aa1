"""YAML that means one thing to a stage and another to DVC, or never ends; values out of range."""

from __future__ import annotations

import math
from typing import Any

from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml

from benchmarks.attacks.place import Attack, Broken, Place, named, raised, told
from stages.core import yaml12
from stages.core.errors import InputError

SAME = "refused by key and line, or the very value and type that DVC records"
SCALARS = (
    "010", "0o10", "0x1F", "0X1f", "0b11", "0B1", "+5", "-0", "-010", "08", "09", "1_000", "_1", "1__0", "+.5", ".5",
    "5.",
    "-.5", "1e3", "1E3", "1e+3", "1.e3", "1.0e", "1.5e-3", ".5e3", "+1e3", "1e400", "-1e400", "1e-400", ".inf", "-.inf",
    "+.inf", ".Inf", ".INF", "inf", ".nan", ".NaN", ".NAN", "nan", "NaN", "1:30", "190:20:30", "1.2.3", "0.1.", "yes",
    "Yes", "no", "NO", "on", "Off", "y", "n", "true", "True", "TRUE", "tRue", "false", "null", "Null", "NULL", "~", "",
    "None", "2020-01-01", "2020-1-1", "2020-01-01 10:00:00", "2020-01-01T10:00:00Z", "2001-12-14t21:59:43.10-05:00",
    "=", "<<", "0x", "0o", "0b", "0o8", "0xg", "1e", "e3", "+", "-", ".", "..", "1 000", "1,000", "１", "٣", "1٣", "²",
    "!!int 8", "!!str 8", "!!float 8", "! 8", "!!python/object/apply:os.system ['touch canary']", "!!binary aGk=",
    "!<tag:yaml.org,2002:int> 8", "&a 8", "*a", "'010'", '"010"', '"\\x30"', '"\\u0030"', "|\n  8", ">\n  8",
    "8 # c", "8#c", "8\t", "\t8", "[8]", "{a: 8}", "[8", "{", "]", "? 8", "- 8", "@8", "`8", "%8", "8\u00a0", "8\u200b",
    "8\u2028", "8\x85", "\ufeff8", "1" * 5000, "0x" + "f" * 5000, "1" + "0" * 400 + ".0", "1e" + "9" * 4000,
    "9223372036854775808", "18446744073709551616", "1" * 40, "0.1" + "0" * 400, "-1", "1.0", "1.7976931348623157e308",
    "2.5e-324", "4.9406564584124654e-324", "0.30000000000000004", "3e-05", "3E-05", "1e05", "01e5", "0e0", "00", "0",
    "0_", "0x_f", "0o_7", "1.5_0", "0.0_1", "12e03", "-2E+05", "+12.3", "0o14", "0o14.5", "685_230.15", "0.", "-.",
)  # fmt: skip
HEADS = (
    "%YAML 1.1\n---\n",
    "%YAML 1.2\n---\n",
    "%YAML 1.3\n---\n",
    "%TAG ! tag:x,2000:\n---\n",
    "---\n",
    "--- \n# c\n",
    "\ufeff",
    "...\n---\n",
)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return list(map(str, one)) == list(map(str, other)) and all(
            _alike(one[k], other[o]) for k, o in zip(one, other, strict=True)
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


def _read(place: Place, text: str) -> str:
    path = place.folder / "params.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        ours = yaml12.read(path)[0]
    except InputError as error:
        return raised(error)
    try:
        theirs = load_yaml(str(path))
    except YAMLFileCorruptedError:
        return "refused by DVC, which runs no stage then"
    if not _alike(ours or {}, theirs or {}):
        raise Broken(f"the stage reads {ours!r:.100}, DVC {theirs!r:.100}")
    place.quiet()
    return "read alike"


def _scalar(place: Place, text: str) -> str:
    said = [
        _read(place, form.format(text))
        for form in ("seed: {}\n", "a:\n  - {}\n  - 1\n", "a: [{}, 1]\n", "a: {{b: {}}}\n", "{}: 1\n")
    ]
    return said[0]


def _bomb(depth: int, width: int) -> str:
    lines = ["a0: &a0 [x]\n"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]\n" for n in range(1, depth)]
    return "".join(lines)


TREES = {
    "a bomb of aliases": _bomb(10, 9), "a bomb of merges": _bomb(3, 2) + "b: {<<: *a1}\n",
    "a list in itself": "a: &a [*a]\n",
    "10,000 brackets": "a: " + "[" * 10_000, "10,000 closed brackets": "a: " + "[" * 10_000 + "]" * 10_000,
    "10,000 braces": "a: " + "{b: " * 10_000, "10,000 dashes": "- " * 10_000, "10,000 question marks": "? " * 10_000,
    "deep blocks": "".join(f"{' ' * n}a{n}:\n" for n in range(2000)),
    "100,000 keys": "".join(f"k{n}: 1\n" for n in range(100_000)),
    "a key of 1 MB": "k" * 1_000_000 + ": 1\n", "a text of 5 MB": "k: " + "v" * 5_000_000 + "\n",
    "a key twice": "a: 1\na: 2\n",
    "a key twice in two spellings": 'a: 1\n"a": 2\n', "a key twice as number": "1: 1\n0x1: 2\n",
    "two documents": "a: 1\n---\na: 2\n",
    "a list as key": "[a]: 1\n", "an object as key": "{a: 1}: 1\n", "a NUL": "a: \x001\n", "a text": "hello\n",
    "nothing": "",
    "a list": "- 1\n", "tabs": "a:\n\tb: 1\n", "an escape": 'a: "\\x1b[2K"\n', "half a pair": 'a: "\\ud800"\n',
    "a wide escape": 'a: "\\U00110000"\n',
    "merge keys": "<<: {a: 1}\n", "an anchor on a key": "&a b: 1\n", "quotes that do not end": 'a: "b\n' * 5000,
    "a bell": "a: \x07\n",
    "blanks": "a: b" + " " * 1_000_000 + "c\n", "comments": "#" * 3_000_000 + "\na: 1\n",
    "line ends": "a: 'b" + "\n" * 200_000 + "'\n",
}  # fmt: skip


def _tree(place: Place, text: str) -> str:
    return _read(place, text)


def _head(place: Place, head: str) -> str:
    return "; ".join({_read(place, f"{head}seed: {value}\n")[:60] for value in ("010", "8", "yes", "1e3", "0x10")})


VALUES = (
    "-1",
    "0",
    "1e400",
    ".nan",
    "'1'",
    "null",
    "[]",
    "{}",
    "true",
    "1.5",
    "x",
    "99999999999999999999",
    "-0.0",
    '"\\u202ex"',
)
KEYS = (
    "seed", "seed_streams.order", "data.encoding", "data.validation_fraction", "data.limit", "data.empty",
    "data.files.train",
    "data.columns.text", "data.keep", "data.source", "data.format.name", "input.name", "target.name", "model.init",
    "model.head",
    "model.overrides",
    "model.source", "tokenize.max_length", "tokenize.pad_token", "train.epochs", "train.batch_size",
    "train.shard_size", "train.lr",
    "train.warmup", "train.weight_decay", "train.betas", "train.epsilon", "train.clip_norm", "train.precision",
    "train.objective",
    "train.tuning.name", "train.early_stopping", "train.best_metric", "train.checkpoint_every", "evaluate.bootstrap",
    "evaluate.bins",
)  # fmt: skip


def _params(place: Place, value: tuple[str, str]) -> str:
    """Set one key of the real params.yaml, and read it as `make repro` does first."""
    import yaml

    key, text = value
    tree = yaml12.values((place.made / "params.yaml").read_text(encoding="utf-8"), "params.yaml")
    *way, last = key.split(".")
    node = tree
    for part in way:
        node = node[part]
    node[last] = "HERE"
    written = yaml.safe_dump(tree, sort_keys=False).replace("HERE", text, 1)
    (place.folder / "params.yaml").write_text(written, encoding="utf-8")
    (place.folder / "dvc.yaml").write_bytes((place.made / "dvc.yaml").read_bytes())
    ended = place.command("stages.params")
    if ended.code == 0 and "Traceback" not in ended.err:
        return "valid"
    return told(ended)


ATTACKS = (
    Attack("a scalar that two versions of YAML read in two ways", SAME, _scalar, named(SCALARS), seconds=60),
    Attack("a head that changes the version", SAME, _head, named(HEADS)),
    Attack("a tree that grows, or is no tree", f"{SAME}, in bounded time and memory", _tree, TREES),
    Attack("a value that a key of params.yaml does not take", "valid, or one message and code 2", _params,
           {f"{key}: {text}": (key, text) for key in KEYS for text in VALUES}, seconds=60),
)  # fmt: skip
