"""Environments in which a result is derived again. `harmless` ones vary what must not matter; the others what may."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Protocol

from pydantic import TypeAdapter, ValidationError

from stages.core.errors import InputError, nearest
from stages.verification.environments.hermetic import Hermetic
from stages.verification.environments.hostile import Hostile
from stages.verification.environments.interpreter import Interpreter
from stages.verification.environments.interrupted import Interrupted
from stages.verification.environments.isa import Isa
from stages.verification.environments.same import Same
from stages.verification.environments.setting import Setting
from stages.verification.environments.threads import Threads
from stages.verification.environments.workers import Workers

__all__ = ["ENVIRONMENTS", "Environment", "Setting", "of"]


class Environment(Protocol):
    """A frozen dataclass of at most one field, which stands behind the `=` of its name on the command line."""

    harmless: ClassVar[bool]

    def setting(self) -> Setting:
        """Return what it asks for."""


ENVIRONMENTS: dict[str, type] = {
    "same": Same,
    "workers": Workers,
    "threads": Threads,
    "hostile": Hostile,
    "hermetic": Hermetic,
    "interrupted": Interrupted,
    "isa": Isa,
    "interpreter": Interpreter,
}


def of(text: str) -> Environment:
    """Return the environment that `NAME` or `NAME=VALUE` names. Raises InputError when there is none such."""
    name, equals, value = text.partition("=")
    if name not in ENVIRONMENTS:
        raise InputError(f"--environments: unknown environment {name!r}{nearest(name, ENVIRONMENTS)}")
    kind = ENVIRONMENTS[name]
    fields = dataclasses.fields(kind)
    if equals and not fields:
        raise InputError(f"--environments: {name} takes no value, found {value!r}")
    try:
        made: Environment = TypeAdapter(kind).validate_strings({fields[0].name: value} if equals else {})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        wanted = f"{name}=VALUE" if problem["type"] == "missing" else problem["msg"].removeprefix("Input should be ")
        raise InputError(f"--environments: found {text!r}, wanted {wanted}") from None
    return made
