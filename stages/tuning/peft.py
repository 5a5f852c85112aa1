"""The methods of the PEFT library, whose modules stand in the places of linear ones of a frozen model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stages.core.errors import refusals_told
from stages.tuning.methods import Method

if TYPE_CHECKING:
    from torch import Tensor, nn

Save = Annotated[
    Literal["adapter", "merged"],
    Field(description="adapter: what learnt, with the digest of its base; merged: a model like any other"),
]


@dataclass(frozen=True)
class Peft(Method, ABC):
    """What PEFT adds learns, and the head."""

    @abstractmethod
    def config(self, model: nn.Module) -> Any:
        """Return PEFT's config for `model`. Raises InputError for settings that do not fit it."""

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Put the adapters into `model`, drawn as a function of `key`; they and `head` learn."""
        import torch
        from peft import inject_adapter_in_model

        with refusals_told("train.tuning: PEFT refuses the model"):
            config = self.config(model)
            torch.manual_seed(key)
            tuned: nn.Module = inject_adapter_in_model(config, model)
        for name, parameter in tuned.named_parameters():
            if name in head:
                parameter.requires_grad_(True)
        return tuned

    def learnt(self, model: nn.Module) -> Mapping[str, Tensor]:
        """Return the parameters that learn, by the names under which PEFT saves them."""
        from peft import get_peft_model_state_dict

        own = {p.data_ptr(): p for _, p in model.named_parameters() if p.requires_grad}
        added = {name: own.pop(t.data_ptr()) for name, t in get_peft_model_state_dict(model).items()}
        rest = {name: p for name, p in model.named_parameters() if p.data_ptr() in own}
        return {f"base_model.model.{name}": p for name, p in (added | rest).items()}

    def merged(self, model: nn.Module) -> nn.Module:
        """Return the model with every adapter added to its matrix, in place."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        for name, module in list(model.named_modules()):
            if isinstance(module, BaseTunerLayer):
                module.merge(safe_merge=True)
                model.set_submodule(name, module.get_base_layer())
        return model

    def described(self, model: nn.Module, head: frozenset[str]) -> dict[str, Any] | None:
        """Return adapter_config.json, by which PEFT loads the adapters and the head on their base."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        tuned = sorted(name for name, module in model.named_modules() if isinstance(module, BaseTunerLayer))
        config = model.peft_config["default"].to_dict()  # type: ignore[union-attr, index]
        return {
            **{name: sorted(value) if isinstance(value, set) else value for name, value in config.items()},
            "target_modules": tuned,
            "modules_to_save": sorted({name.rpartition(".")[0] for name in head}),
            "inference_mode": True,
        }
