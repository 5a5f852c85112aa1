"""The layers of a model, which methods tell apart by their height."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stages.core.errors import InputError

if TYPE_CHECKING:
    from torch import nn


def stack(model: nn.Module) -> nn.ModuleList:
    """Return the layers of `model`, the lowest first. Raises InputError when no list of them is found."""
    from torch import nn

    depth = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise InputError(f"train.tuning: no stack of {depth} layers found in {type(model).__name__}")


def embeddings(model: nn.Module) -> list[nn.Module]:
    """Return what turns ids into vectors: every embedding, and the norm that belongs to them."""
    from torch import nn

    found: list[nn.Module] = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    whole = getattr(model.base_model, "embeddings", None)
    return [*found, whole] if isinstance(whole, nn.Module) else found


def heights(model: nn.Module) -> Mapping[str, int]:
    """Return the height of every parameter by name: 0 in the embeddings, 1 to n in the layers, n + 1 above them."""
    layers = stack(model)
    places = {id(p): place for place, layer in enumerate(layers, 1) for p in layer.parameters()}
    places |= {id(p): 0 for module in embeddings(model) for p in module.parameters()}
    return {name: places.get(id(p), len(layers) + 1) for name, p in model.named_parameters()}


def path_of(model: nn.Module, module: nn.Module) -> str:
    """Return the dotted name of `module` within `model`."""
    return str(next(name for name, known in model.named_modules() if known is module))
