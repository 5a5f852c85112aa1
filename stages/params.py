"""Check params.yaml as a whole, before any stage runs.

    python -m stages.params              reads params.yaml and says all that is wrong in it, for every stage at once
    python -m stages.params --schema     prints its JSON schema, which params.schema.json holds for editors

Each stage checks what it reads by itself; this command asks all of them.
"""

from __future__ import annotations

if not __package__:
    import sys

    print("run me as: python -m stages.params", file=sys.stderr)
    sys.exit(2)

from stages.core import cli

if __name__ == "__main__":
    cli.begin("params")  # the imports below take their time

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import create_model
from pydantic.fields import FieldInfo

from stages import download, evaluate, finetune, preprocess, tokenize
from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.files import canonical_json
from stages.core.params import PARAMS, SECTIONS, Section, choice_of, decode, is_elsewhere

STAGES: dict[str, type[Section]] = {
    "download": download.Params,
    "preprocess": preprocess.Params,
    "tokenize": tokenize.Params,
    "finetune": finetune.Params,
    "evaluate": evaluate.Params,
}


def check(tree: Any, lines: Mapping[yaml12.KeyPath, int], name: str) -> None:
    """Decode `tree` (a parsed params file named `name`) for every stage. Raises one InputError with all problems."""
    problems: dict[str, None] = {}
    for model in STAGES.values():
        try:
            decode(model, tree, lines, name)
        except InputError as error:
            problems.update(dict.fromkeys(str(error).splitlines()))
    if not problems:
        objective = decode(finetune.Params, tree, lines, name).train.objective
        try:
            finetune.check_teacher(objective, tree["model"]["teacher"] is not None)
        except InputError as error:
            raise InputError(f"{name}, line {lines['model', 'teacher']}: {error}") from None
    if problems:
        raise InputError("\n".join(problems))


def whole() -> type[Section]:
    """Return one model of the whole file: each section with the keys that some stage reads."""
    top: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for model in STAGES.values():
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, Section):
                read = {key: _every(f) for key, f in inner.model_fields.items() if not is_elsewhere(f)}
                sections.setdefault(name, {}).update(read)
            else:
                top[name] = _every(field)
    for name, fields in sections.items():
        top[name] = (create_model(name.title(), __base__=Section, **fields), ...)
    return create_model("Params", __base__=Section, **{name: top[name] for name in SECTIONS if name in top})


def _every(field: FieldInfo) -> tuple[Any, FieldInfo]:
    """Return the type of a key, every plug-in of a choice (and null where it may be that), and its field."""
    choice = choice_of(field)
    if choice is None:
        return field.annotation, field
    every = choice.every() if field.annotation is Any else choice.every() | None
    return every, FieldInfo(default=field.default, description=field.description)


def schema() -> str:
    """Return the JSON schema of the whole file, as params.schema.json holds it."""
    found = whole().model_json_schema()
    return canonical_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **found})


def main() -> None:
    parser = cli.parser("params", __doc__)
    parser.add_argument("--params", type=Path, default=PARAMS, metavar="FILE", help="the file to check")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema instead")
    arguments = parser.parse_args()
    with cli.errors_told("params"):
        if arguments.schema:
            print(schema(), end="")
        else:
            check(*yaml12.read(arguments.params), str(arguments.params))
            print(f"{arguments.params}: ok")


if __name__ == "__main__":
    main()
