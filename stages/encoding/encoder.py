"""The tokenizer of a model folder, checked against the model's config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError
from stages.core.files import read_json

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

# Models whose positions count from the padding id + 1 (create_position_ids_from_input_ids of modeling_roberta.py).
OFFSET_POSITIONS = frozenset(
    {
        *("camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "mpnet"),
        *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
    }
)
VOCABULARIES = ("vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
_CHARACTERS = 500_000  # of texts encoded at a time: bounds memory, changes no bits


@dataclass(frozen=True)
class Encoder:
    """Texts to token ids, cut at `max_length` tokens with the special ones of the model."""

    whole: Tokenizer  # cuts nothing, adds nothing
    cut: Tokenizer  # the same one, which cuts and adds
    pad: int
    unknown: int | None  # None: the tokenizer can spell every text

    def __call__(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Encoding]]:
        """Yield for each text (the token ids as a model takes them, the uncut encoding without special tokens)."""
        for part in _parts(texts):
            for encoding in self.whole.encode_batch_fast(part, add_special_tokens=False):
                yield self.cut.post_process(encoding).ids, encoding

    @property
    def vocabulary(self) -> int:
        """Return the number of ids a model must know: the largest + 1."""
        return max(self.whole.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def special(self) -> int:
        """Return the number of special tokens each text gets."""
        return self.cut.num_special_tokens_to_add(False)


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    held = 0
    for text in texts:
        if part and held + len(text) > _CHARACTERS:
            yield part
            part, held = [], 0
        part.append(text)
        held += len(text)
    if part:
        yield part


def load_encoder(folder: Path, max_length: int) -> Encoder:
    """Return the encoder of a model folder, checked against the model's config and `max_length`.

    Raises InputError when something is missing in the folder, or does not fit.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json, wanted a model folder with its config and tokenizer")
    config = _object(folder / "config.json")
    whole = _load_tokenizer(folder)
    direction = (whole.truncation or {}).get("direction", "right")
    whole.no_truncation()
    whole.no_padding()
    cut = whole.from_str(whole.to_str())
    special = cut.num_special_tokens_to_add(False)
    if max_length <= special:
        raise InputError(f"tokenize.max_length: found {max_length}, wanted more than the {special} special tokens")
    cut.enable_truncation(max_length, direction=direction)
    padding = _padding(folder, config, _named_token(folder, whole, "pad_token"))
    encoder = Encoder(whole, cut, padding, _named_token(folder, whole, "unk_token"))
    _refuse_misfit(folder, config, encoder, max_length)
    return encoder


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: found a {type(value).__name__}, wanted a JSON object")
    return value


def _load_tokenizer(folder: Path) -> Tokenizer:
    """Return the fast tokenizer of a model folder: its tokenizer.json, or what transformers makes of older files."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    older = [name for name in VOCABULARIES if (folder / name).is_file()]
    if not path.is_file() and not older:  # of a folder without any, transformers makes a tokenizer that knows no word
        raise InputError(f"{folder}: no tokenizer.json, nor any of {', '.join(VOCABULARIES)}")
    try:
        if path.is_file():
            return Tokenizer.from_file(str(path))
        from transformers import AutoTokenizer

        slow = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return Tokenizer.from_str(slow.backend_tokenizer.to_str())
    except Exception as error:  # both libraries raise whatever their parsers do, the first bare Exceptions
        reason = str(error).strip().splitlines()[0] if str(error).strip() else error.__class__.__name__
        raise InputError(f"{path if path.is_file() else folder / older[0]}: not a tokenizer: {reason}") from None


def _named_token(folder: Path, tokenizer: Tokenizer, name: str) -> int | None:
    """Return the id of the token that the tokenizer's files call `name`, or None when they do not."""
    for path in (folder / "tokenizer_config.json", folder / "special_tokens_map.json"):
        token = _object(path).get(name) if path.is_file() else None
        if token is not None:
            content = token["content"] if isinstance(token, dict) else token
            number = tokenizer.token_to_id(content)
            if number is None:
                raise InputError(f"{path}: {name} is {content!r}, which is not in the tokenizer's vocabulary")
            return number
    return None


def _padding(folder: Path, config: dict[str, Any], named: int | None) -> int:
    """Return the id of the padding token, on which tokenizer (`named`) and model must agree."""
    wanted: int | None = config.get("pad_token_id")
    if named is not None and wanted is not None and named != wanted:
        raise InputError(f"{folder}: the tokenizer's padding token has id {named}, config.json says {wanted}")
    agreed = wanted if named is None else named
    if agreed is None:
        raise InputError(f"{folder}: neither the tokenizer nor config.json names a padding token")
    return agreed


def _refuse_misfit(folder: Path, config: dict[str, Any], encoder: Encoder, max_length: int) -> None:
    """Raise InputError when the model has too small a vocabulary or too few positions."""
    vocabulary = config.get("vocab_size")
    if vocabulary is not None and encoder.vocabulary > vocabulary:
        raise InputError(
            f"{folder}: tokenizer and model do not belong together: token ids go up to {encoder.vocabulary - 1}, "
            f"config.json says vocab_size {vocabulary}"
        )
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    if positions is not None and config.get("model_type") in OFFSET_POSITIONS:
        positions -= encoder.pad + 1
    if positions is not None and max_length > positions:
        raise InputError(f"tokenize.max_length: found {max_length}, wanted at most the model's {positions} positions")
