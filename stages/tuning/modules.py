"""The matrices of a model that adapters go to, by their names or by what they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from stages.core.errors import InputError, nearest
from stages.tuning.layers import path_of, stack

if TYPE_CHECKING:
    from torch import nn

Modules = Annotated[
    Literal["attention", "feed-forward", "linear"] | tuple[str, ...],
    Field(description="attention, feed-forward or linear (both), or ends of names of linear modules"),
]
KEYS = ("key", "k_proj", "k_lin", "k")
VALUES = ("value", "v_proj", "v_lin", "v")
OUTPUTS = ("attention.output.dense", "out_lin", "o_proj", "out_proj", "attn.c_proj")  # of attention
DOWNWARD = ("output.dense", "lin2", "down_proj", "fc2", "mlp.c_proj")  # of the feed-forward block


def sides(module: nn.Module) -> tuple[int, int]:
    """Return (in, out) of a linear module; GPT-2 holds its matrices the other way round."""
    from torch import nn

    one, other = module.weight.shape  # type: ignore[misc]
    return (other, one) if isinstance(module, nn.Linear) else (one, other)


def transposed(modules: Iterable[nn.Module]) -> bool:
    """Return whether some of linear modules hold their matrices as (in, out)."""
    from torch import nn

    return not all(isinstance(module, nn.Linear) for module in modules)


def linear(model: nn.Module) -> dict[str, nn.Module]:
    """Return the linear modules of the layers by name, in their order. Raises InputError when there are none."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    below = path_of(model, stack(model)) + "."
    kinds = (nn.Linear, Conv1D)
    found: dict[str, nn.Module] = {
        n: m for n, m in model.named_modules() if isinstance(m, kinds) and n.startswith(below)
    }
    if not found:
        raise InputError(f"train.tuning: no linear modules found in the layers of {type(model).__name__}")
    return found


def ending(names: Sequence[str], ends: Sequence[str]) -> list[str]:
    """Return those of `names` that end with one of `ends`, whole parts of a name."""
    return [name for name in names if any(f".{name}".endswith(f".{end}") for end in ends)]


def chosen(model: nn.Module, modules: str | tuple[str, ...]) -> Mapping[str, nn.Module]:
    """Return the linear modules that `modules` stands for. Raises InputError for what stands for none."""
    known = linear(model)
    if isinstance(modules, tuple):
        for end in modules:
            if not ending(list(known), [end]):
                last = {name.rpartition(".")[2] for name in known}
                raise InputError(f"train.tuning.modules: {end!r} ends the name of no linear module{nearest(end, last)}")
        names = ending(list(known), modules)
    else:
        attention = [name for name in known if "attention" in name or "attn" in name]
        names = [n for n in known if modules == "linear" or (n in attention) == (modules == "attention")]
    if not names:
        raise InputError(f"train.tuning.modules: {type(model).__name__} has no modules for {modules!r}")
    return {name: known[name] for name in names}


def projections(model: nn.Module, ends: Sequence[str], what: str, but: Sequence[str] = ()) -> dict[str, nn.Module]:
    """Return the linear modules whose names end with one of `ends`, but not of `but`.

    Raises InputError, which says `what` they are, unless every layer has one.
    """
    known = linear(model)
    names = ending([name for name in known if name not in ending(list(known), but)], ends)
    if len(names) != len(stack(model)):
        raise InputError(f"train.tuning: no {what} found in each layer of {type(model).__name__}")
    return {name: known[name] for name in names}
