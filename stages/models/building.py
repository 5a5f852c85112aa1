"""A base model with a head for what is learnt, new or kept; and a model that was fine-tuned here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from stages.core.errors import InputError, refusals_told
from stages.learning import Built, Head
from stages.models.adapted import adapter_in, base_of, put
from stages.models.loading import config_of, drawn, read
from stages.models.packing import pack


def build(folder: Path, head: Head, init: str, keep: str, overrides: Mapping[str, Any], key: int) -> Built:
    """Return the base model in `folder` with the head that `head` describes.

    `init` is pretrained or random; `keep` is new, or kept for the head of a base which was fine-tuned for the same
    labels; `overrides` are fields of the model's config; `key` seeds the new weights. Raises InputError for an unknown
    field, or for one with which pretrained weights cannot be used.
    """
    config = config_of(folder, overrides)
    own = labels_of(config)
    head.configure(config)
    with refusals_told(f"{folder}: {_told(overrides)}the model cannot be built"):
        if init == "random":
            if keep == "kept":
                raise InputError("model.head: kept, but model.init is random: its weights are drawn")
            model = _ready(drawn(head.auto, config, key), head)
            unread = any(folder.glob("*.safetensors"))
            notes = [f"model.init: random: the weights in {folder} are left unread"] * unread
            return Built(model, _head_of(model), notes)
        model, info = read(head.auto, folder, config, key)
        trained = _head_of(model).isdisjoint(info["missing_keys"])
        if keep == "kept":
            _refuse_other_head(folder, trained, own, labels_of(config))
        elif head.own:
            raise InputError("model.head: found new, but this target's head is the base's own vocabulary: set kept")
        elif trained:  # its last layer was learnt for other labels, or for the same ones on other data
            _copy(drawn(head.auto, config, key), model, _head_of(model))
        _refuse_lost(folder, overrides, model, info)
        model = _ready(model, head)
    notes = [f"model.head: new: the base's own head, of {_few(own)}, is left out"] * (trained and keep == "new")
    if overrides and info["unexpected_keys"]:
        notes.append(f"{_told(overrides)}left out of the base's weights: {_few(sorted(info['unexpected_keys']))}")
    learnt = _head_of(model) if trained and not head.own else set()
    return Built(model, frozenset(info["missing_keys"]) | learnt, notes)


def fit(model: Any, schema: Mapping[str, Any], base: Path, overrides: Mapping[str, Any]) -> None:
    """Let a model know the padding of the tokens that `schema`, that of data/tokens, describes.

    Raises InputError for a model that has no place for them: overrides can change what tokenize has checked.
    """
    vocabulary = model.get_input_embeddings().num_embeddings
    if schema["vocab_size"] > vocabulary:
        raise InputError(f"{base}: the tokenizer has {schema['vocab_size']} entries, the model only {vocabulary}")
    positions = getattr(model.config, "max_position_embeddings", None)
    virtual = getattr(model, "virtual_tokens", 0)
    if positions is not None and schema["max_length"] + virtual > positions:
        beside = f" beside {virtual} virtual tokens of train.tuning.length" if virtual else ""
        raise InputError(
            f"tokenize.max_length: found {schema['max_length']}{beside}, the model has {positions} positions"
        )
    asked, pad = overrides.get("pad_token_id"), schema["pad_token_id"]
    if asked not in (None, pad):
        raise InputError(
            f"model.overrides.pad_token_id: found {asked}, but data/tokens is padded with {pad}: set tokenize.pad_token"
        )
    model.config.pad_token_id = pad  # of which the head of a decoder finds the last token


def load(folder: Path, head: Head) -> nn.Module:
    """Return the fine-tuned model that was saved in `folder`. Raises InputError when it cannot be read.

    Of an adapter the base lies beside it, in the folder `base`.
    """
    config = config_of(folder, {})
    own = labels_of(config)
    head.configure(config)
    if own != labels_of(config):
        raise InputError(
            f"{folder / 'config.json'}: its classes are {_few(own)}, those of the data {_few(labels_of(config))}: "
            "run finetune again"
        )
    told = adapter_in(folder)
    with refusals_told(f"{folder}: the model cannot be read"):
        model, info = read(head.auto, folder if told is None else base_of(folder, told), config, 0)
    beside = [] if told is None else told["head"]
    absent = sorted({*info["missing_keys"], *(str(m[0]) for m in info["mismatched_keys"])}.difference(beside))
    if absent:
        raise InputError(f"{folder}: no fine-tuned model: no weights that fit {_few(absent)}")
    ready: nn.Module = _ready(model, head)
    return ready if told is None else put(ready, told, folder)


def labels_of(config: Any) -> list[str]:
    """Return the labels of a transformers config, in their order."""
    return [str(name) for _, name in sorted((config.id2label or {}).items())]


def _ready(model: Any, head: Head) -> Any:
    """Copy every weight to memory of torch's own alignment, and leave out work that no logit needs.

    Files are memory-mapped, and a kernel may choose its path, hence its bits, by the alignment of what it reads.
    """
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.clone()
    return pack(model, head)


def _head_of(model: Any) -> frozenset[str]:
    """Return the names of the parameters that are not of the base model."""
    base = {f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()}
    return frozenset(name for name, _ in model.named_parameters() if name not in base)


def _copy(source: Any, target: Any, names: frozenset[str]) -> None:
    values = source.state_dict()
    for name, parameter in target.named_parameters():
        if name in names:
            parameter.data = values[name].clone()


def _refuse_other_head(folder: Path, trained: bool, own: Sequence[str], labels: Sequence[str]) -> None:
    """Raise InputError unless the base has a head for `labels`, in that order."""
    if not trained:
        raise InputError(f"model.head: kept, but {folder} has no head of this kind: set model.head: new")
    if list(own) != list(labels):
        raise InputError(
            f"model.head: kept, but the base's labels are {_few(own)} and those of the data {_few(labels)}: "
            "set model.head: new"
        )


def _refuse_lost(folder: Path, overrides: Mapping[str, Any], model: Any, info: Mapping[str, Any]) -> None:
    """Raise InputError when weights of the base model itself would be drawn; a pooler may be, it is often left out."""
    base = f"{model.base_model_prefix}."
    lost = sorted(n for n in info["missing_keys"] if n.startswith(base) and "pooler" not in n)
    lost += sorted(str(m[0]) for m in info["mismatched_keys"] if str(m[0]).startswith(base))
    if not lost:
        return
    if overrides:
        choice = "take the override back, or set model.init: random to draw all weights"
    else:
        held = " or ".join(map(str, model.config.architectures or ["another model"]))
        choice = (
            f"the folder holds a {held}: choose one with the weights of a {type(model.base_model).__name__} "
            "(model.init: random would draw all weights, and what the base has learnt would be lost)"
        )
    raise InputError(f"{folder}: {_told(overrides)}no pretrained weights fit {_few(lost)}; {choice}")


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _told(overrides: Mapping[str, Any]) -> str:
    return "with model.overrides " + ", ".join(f"{k}={v}" for k, v in overrides.items()) + ": " if overrides else ""
