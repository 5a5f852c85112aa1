"""The special tokens of a model folder: what its tokenizer's files and configs name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, nearest
from stages.core.files import read_object

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Models whose positions count from the padding id + 1 (create_position_ids_from_input_ids of modeling_roberta.py).
OFFSET_POSITIONS = frozenset(
    {
        *("camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "mpnet"),
        *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
    }
)
SPECIAL = tuple(f"{name}_token" for name in ("bos", "cls", "eos", "mask", "pad", "sep", "unk"))
STAND_INS = ("eos_token", "unk_token", "bos_token")  # where no padding token is named: the first that ends no text


def named_tokens(folder: Path) -> dict[str, str]:
    """Return the special tokens that the tokenizer's files name: {"pad_token": "[PAD]", ...}."""
    found: dict[str, str] = {}
    for path in (folder / "tokenizer_config.json", folder / "special_tokens_map.json"):
        content = read_object(path) if path.is_file() else {}
        for name in SPECIAL:
            token = content.get(name)
            text = token.get("content") if isinstance(token, dict) else token
            if text is not None and not isinstance(text, str):
                raise InputError(f"{path}: {name}: found {text!r}, wanted the text of a token")
            if text is not None:
                found.setdefault(name, text)
    return found


def token_id(folder: Path, tokenizer: Tokenizer, name: str, named: Mapping[str, str]) -> int | None:
    """Return the id of the token that is `named` so, or None when there is none."""
    if name not in named:
        return None
    number = tokenizer.token_to_id(named[name])
    if number is None:
        raise InputError(f"{folder}: {name} is {named[name]!r}, which is not in the tokenizer's vocabulary")
    return number


def padding(
    folder: Path, config: Mapping[str, Any], tokenizer: Tokenizer, named: Mapping[str, str], asked: str | None
) -> tuple[int, str | None]:
    """Return the id of the padding token, and its text where it stands in for one that the model has not."""
    wanted = whole_number(folder, config, "pad_token_id")
    if asked is not None:
        number = tokenizer.token_to_id(asked)
        if number is None:
            known = nearest(asked, tokenizer.get_vocab(with_added_tokens=True))
            raise InputError(f"tokenize.pad_token: {asked!r} is not in the tokenizer's vocabulary{known}")
        if str(config.get("model_type")) in OFFSET_POSITIONS and number != wanted:
            raise InputError(
                f"tokenize.pad_token: a {config['model_type']} model counts positions from its own padding token: "
                "leave it null"
            )
        return number, None
    own = token_id(folder, tokenizer, "pad_token", named)
    if own is not None and wanted is not None and own != wanted:
        raise InputError(
            f"{folder}: the tokenizer's padding token has id {own}, config.json says {wanted}: "
            "choose one by tokenize.pad_token"
        )
    agreed = wanted if own is None else own
    if agreed is not None:
        return agreed, None
    ends = tokenizer.encode("").ids[-1:]  # what the tokenizer itself puts at the end of a text
    for name in STAND_INS:
        number = token_id(folder, tokenizer, name, named)
        if number is None and isinstance(config.get(f"{name}_id"), int):
            number = whole_number(folder, config, f"{name}_id")
        text = None if number is None or number in ends else tokenizer.id_to_token(number)
        if number is not None and text is not None:
            return number, text
    raise InputError(
        f"{folder}: neither the tokenizer nor config.json names a padding token: set tokenize.pad_token to a token of "
        "its vocabulary"
    )


def whole_number(folder: Path, config: Mapping[str, Any], key: str) -> int | None:
    """Return a whole number >= 0 of config.json, or None where there is none (-1 says so too)."""
    value = config.get(key)
    if value is None or value == -1:
        return None
    if type(value) is not int or value < 0:
        raise InputError(f"{folder / 'config.json'}: {key}: found {value!r}, wanted a whole number >= 0")
    return value


def ends(folder: Path, whole: Tokenizer, named: Mapping[str, str]) -> list[int]:
    """Return the tokens that end what a model writes: those of generation_config.json, and the tokenizer's own."""
    path = folder / "generation_config.json"
    told = read_object(path).get("eos_token_id") if path.is_file() else None
    found = {number for number in (told if isinstance(told, list) else [told]) if isinstance(number, int)}
    own = token_id(folder, whole, "eos_token", named)
    return sorted(found | ({own} if own is not None else set()))
