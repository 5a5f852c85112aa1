"""Chat templates: turns of a conversation as one text, as transformers renders them, in a sandbox of Jinja."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from stages.core.errors import InputError
from stages.core.files import read_object


class Refused(Exception):
    """What a template says of turns that it does not take, by raise_exception."""


class _Generation(Extension):
    """The tag {% generation %}, which marks what an assistant says: here its place is found without it."""

    tags = {"generation"}  # noqa: RUF012  Jinja's own form

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Template:
    """A template that is compiled once. It is given no date: its text would be another one tomorrow."""

    def __init__(self, source: str) -> None:
        """Raises InputError for what is no template."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _json
        environment.globals["raise_exception"] = _refuse
        try:
            self.compiled = environment.from_string(source)
        except (jinja2.TemplateError, RecursionError) as error:
            raise InputError(f"input.template: the chat template is none: {error}") from None

    def text(self, turns: Sequence[Mapping[str, Any]], named: Mapping[str, str], begun: bool) -> str:
        """Return turns as one text; with `begun`, up to where a response begins; `named` are the special tokens.

        Raises InputError for turns that the template refuses, and for a template that fails.
        """
        try:
            return self.compiled.render(
                **{name: token for name, token in named.items() if name.endswith("_token")},
                messages=[dict(turn) for turn in turns], add_generation_prompt=begun, tools=None, documents=None,
            )  # fmt: skip
        except Refused as error:
            raise InputError(f"the chat template refuses the turns: {error}") from None
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise InputError(f"the chat template fails: {type(error).__name__}: {error}") from None


def template_of(folder: Path) -> str | None:
    """Return the chat template of a model folder: chat_template.jinja, or what tokenizer_config.json says of it.

    Of several the one called default. Raises InputError for what is no text.
    """
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    path = folder / "tokenizer_config.json"
    told = read_object(path).get("chat_template") if path.is_file() else None
    if isinstance(told, list):
        told = {str(of.get("name")): of.get("template") for of in told if isinstance(of, dict)}.get("default")
    if told is not None and not isinstance(told, str):
        raise InputError(f"{path}: chat_template: found {str(told)[:60]!r}, wanted a text")
    return told


def _json(value: Any, indent: int | None = None, separators: Any = None, sort_keys: bool = False, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: str) -> NoReturn:
    raise Refused(message)
