"""The tokenizer of a model folder, checked against the model's config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, refusals_told
from stages.core.files import check_readable, read_object
from stages.encoding.special import OFFSET_POSITIONS, ends, named_tokens, padding, token_id, whole_number
from stages.encoding.template import Template, template_of

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

VOCABULARIES = ("vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
_CHARACTERS = 500_000  # of texts encoded at a time: bounds memory, changes no bits


@dataclass(frozen=True)
class Frame:
    """Special tokens before, between or after two texts."""

    ids: Sequence[int]
    segments: Sequence[int]
    next: int  # the segment of the text after it


@dataclass(frozen=True)
class Encoder:
    """Texts to token ids, cut at `max_length` tokens with the special ones of the model."""

    whole: Tokenizer  # cuts nothing, adds nothing
    cut: Tokenizer  # the same one, which cuts and adds
    max_length: int  # tokens of a window, special ones among them
    before: Sequence[int]  # the special tokens around a text
    after: Sequence[int]
    frames: Sequence[Frame]  # the special tokens before, between and after two texts
    pad: int
    unknown: int | None  # None: the tokenizer can spell every text
    mask: int | None = None  # the token that stands for one that is to be found; None: the tokenizer has none
    exact: bool = False  # whether encodings of texts and pairs tell which word each token is of, which takes time
    ends: Sequence[int] = ()  # tokens that end what the model writes
    named: Mapping[str, str] = field(default_factory=dict)  # its special tokens by name: eos_token, …
    template: str | None = None  # by which it was taught to read turns; None: it has none
    stand_in: str | None = None  # the token that pads in the place of a padding token, which the model has none of

    def texts(self, texts: Sequence[str]) -> Iterator[tuple[Encoding, Encoding]]:
        """Yield for each text (its encoding between special tokens, cut at `max_length`; the whole one without)."""
        for whole in self._whole(texts):
            yield self.cut.post_process(whole), whole

    def located(self, texts: Sequence[str]) -> Iterator[Encoding]:
        """Yield for each text its whole encoding, without special tokens, which knows its tokens' places in it."""
        return self._encoded(texts, self.whole.encode_batch)

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[Encoding, Encoding, Encoding]]:
        """Yield for each pair (its encoding between special tokens, the longer text cut first; the two whole ones)."""
        firsts, seconds = (self._whole([pair[side] for pair in pairs]) for side in (0, 1))
        for first, second in zip(firsts, seconds, strict=True):
            yield self.cut.post_process(first, second), first, second

    def window(self, ids: Sequence[int]) -> tuple[list[int], int]:
        """Return `ids`, at most `max_length - special()`, between a text's special tokens, and the first's place."""
        return [*self.before, *ids, *self.after], len(self.before)

    def paired(self, first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int], int]:
        """Return two texts' ids between a pair's special tokens, their segments, and the place of the second's first.

        They are at most `max_length - special(pair=True)` ids.
        """
        ids: list[int] = []
        segments: list[int] = []
        places = []
        for frame, held in zip(self.frames, (first, second, ()), strict=True):
            places.append(len(ids) + len(frame.ids))
            ids += [*frame.ids, *held]
            segments += [*frame.segments, *[frame.next] * len(held)]
        return ids, segments, places[1]

    def conversation(self, turns: Sequence[Mapping[str, Any]], template: str | None, begun: bool) -> str:
        """Return turns as one text, by `template` or the model's own; with `begun`, up to where a response begins.

        Raises InputError where there is no template, and for turns or a template that do not do.
        """
        chosen = self.template if template is None else template
        if chosen is None:
            raise InputError("input.template: the base model has no chat template: give one (docs/generation.md)")
        return _template(chosen).text(turns, self.named, begun)

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without special ones."""
        return str(self.whole.decode(list(ids), skip_special_tokens=True))

    def marked(self, ids: Sequence[int], counts: Sequence[int]) -> str:
        """Return the text of tokens (T,), with [[ ]] around those whose count (T,) is above 0."""
        runs = groupby(zip(counts, ids, strict=True), key=lambda of: of[0] > 0)
        texts = [(more, self.whole.decode([of for _, of in run], skip_special_tokens=False)) for more, run in runs]
        return "".join(f"[[{text}]]" if more else text for more, text in texts)

    def special(self, pair: bool = False) -> int:
        """Return how many special tokens a text or a pair gets."""
        return self.cut.num_special_tokens_to_add(pair)

    def _whole(self, texts: Sequence[str]) -> Iterator[Encoding]:
        return self._encoded(texts, self.whole.encode_batch if self.exact else self.whole.encode_batch_fast)

    def _encoded(self, texts: Sequence[str], encode: Callable[..., list[Encoding]]) -> Iterator[Encoding]:
        for part in _parts(texts):
            with refusals_told("the tokenizer cannot encode a text"):
                encodings = encode(part, add_special_tokens=False)
            yield from encodings

    @property
    def vocabulary(self) -> int:
        """Return the number of ids a model must know: the largest + 1."""
        return max(self.whole.get_vocab(with_added_tokens=True).values()) + 1


_template = cache(Template)


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


def load_encoder(folder: Path, max_length: int, pad_token: str | None = None) -> Encoder:
    """Return the encoder of a model folder, checked against the model's config and `max_length`.

    `pad_token` names the padding token; None takes the model's own or, where it has none, the first of STAND_INS that
    the tokenizer does not itself put at the end of a text (a decoder's head reads the last token that is no padding).
    Raises InputError when something is missing in the folder, or does not fit.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json, wanted a model folder with its config and tokenizer")
    check_readable(folder)
    config = read_object(folder / "config.json")
    whole = load_tokenizer(folder)
    direction = (whole.truncation or {}).get("direction", "right")
    whole.no_truncation()
    whole.no_padding()
    cut = whole.from_str(whole.to_str())
    special = cut.num_special_tokens_to_add(False)
    if max_length <= special:
        raise InputError(f"tokenize.max_length: found {max_length}, wanted more than the {special} special tokens")
    cut.enable_truncation(max_length, direction=direction)
    named = named_tokens(folder)
    pad, stand_in = padding(folder, config, whole, named, pad_token)
    unknown = token_id(folder, whole, "unk_token", named)
    mask = token_id(folder, whole, "mask_token", named)
    encoder = Encoder(
        whole, cut, max_length, *_around(whole), _frames(whole), pad, unknown, mask, ends=ends(folder, whole, named),
        named=named, template=template_of(folder), stand_in=stand_in,
    )  # fmt: skip
    _refuse_misfit(folder, config, encoder, max_length)
    return encoder


def _around(whole: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the special tokens before and after a text."""
    encoding = whole.encode("a", add_special_tokens=False)
    framed = whole.post_process(encoding).ids
    count = len(encoding.ids)
    at = next((i for i in range(len(framed)) if framed[i : i + count] == encoding.ids), 0)
    return framed[:at], framed[at + count :]


def _frames(whole: Tokenizer) -> list[Frame]:
    """Return the special tokens before, between and after two texts."""
    encoding = whole.encode("a", add_special_tokens=False)
    framed = whole.post_process(encoding, encoding)
    text = [place for place, special in enumerate(framed.special_tokens_mask) if not special]
    count = len(encoding.ids)
    first, second = range(text[0], text[0] + count), range(text[count], text[count] + count)
    parts = (slice(0, first.start), slice(first.stop, second.start), slice(second.stop, None))
    after = (framed.type_ids[first.start], framed.type_ids[second.start], 0)
    return [Frame(framed.ids[of], framed.type_ids[of], next) for of, next in zip(parts, after, strict=True)]


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the fast tokenizer of a model folder: its tokenizer.json, or what transformers makes of older files.

    Raises InputError when there is none, or it cannot be read.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    older = [name for name in VOCABULARIES if (folder / name).is_file()]
    if not path.is_file() and not older:  # of a folder without any, transformers makes a tokenizer that knows no word
        raise InputError(f"{folder}: no tokenizer.json, nor any of {', '.join(VOCABULARIES)}")
    with refusals_told(f"{path if path.is_file() else folder / older[0]}: not a tokenizer"):
        if path.is_file():
            return Tokenizer.from_file(str(path))
        from transformers import AutoTokenizer

        slow = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return Tokenizer.from_str(slow.backend_tokenizer.to_str())


def _refuse_misfit(folder: Path, config: Mapping[str, Any], encoder: Encoder, max_length: int) -> None:
    """Raise InputError when the model has too small a vocabulary or too few positions."""
    vocabulary = whole_number(folder, config, "vocab_size")
    largest = max(encoder.vocabulary - 1, *encoder.cut.encode("").ids, 0)  # special tokens may have ids of their own
    if vocabulary is not None and largest >= vocabulary:
        raise InputError(
            f"{folder}: tokenizer and model do not belong together: token ids go up to {largest}, "
            f"config.json says vocab_size {vocabulary}"
        )
    positions = whole_number(folder, config, "max_position_embeddings")
    positions = whole_number(folder, config, "n_positions") if positions is None else positions
    if positions is not None and str(config.get("model_type")) in OFFSET_POSITIONS:
        positions -= encoder.pad + 1
    if positions is not None and max_length > positions:
        raise InputError(f"tokenize.max_length: found {max_length}, wanted at most the model's {positions} positions")
