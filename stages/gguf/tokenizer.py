"""The tokenizer of a GGUF file: byte-level BPE, as tokenizer.json and tokenizer_config.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.core.errors import InputError, nearest
from stages.core.files import write_json
from stages.gguf.reading import Gguf

CONTROL, GIVEN = 3, 4  # types of tokens: special ones, and texts that are never cut
# How Llama 3 and Qwen2 cut a text, but for the digits of a number that stay together.
_CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
# What llama.cpp calls a way to cut a text before BPE (src/llama-vocab.cpp) -> its pattern, None: GPT-2's own.
WAYS: dict[str, str | None] = {
    "default": None, "gpt-2": None, "smollm": None,
    "qwen2": _CUT.replace("DIGITS", ""), "llama-bpe": _CUT.replace("DIGITS", "{1,3}"),
}  # fmt: skip


def write(file: Gguf, folder: Path) -> None:
    """Write the tokenizer of `file`, with its chat template, into `folder`.

    Raises InputError for one of another kind, and for tokens, merges or numbers that do not fit each other.
    """
    kind, way = file.field("tokenizer.ggml.model", str), file.field("tokenizer.ggml.pre", str, "default")
    if kind != "gpt2":
        raise InputError(
            f"{file.path}: tokenizer.ggml.model: found {kind!r}, wanted gpt2 (byte-level BPE): not converted"
        )
    if way not in WAYS:
        raise InputError(f"{file.path}: tokenizer.ggml.pre: {way!r} is not converted{nearest(way, WAYS)}")
    tokens, types = (file.field(f"tokenizer.ggml.{name}", list) for name in ("tokens", "token_type"))
    if len(set(tokens)) != len(tokens) or len(types) != len(tokens) or not all(isinstance(t, str) for t in tokens):
        raise InputError(f"{file.path}: tokenizer.ggml.tokens: wanted texts, each once, with a type each")
    merges = [tuple(merge.split(" ")) for merge in file.field("tokenizer.ggml.merges", list)]
    if any(len(merge) != 2 for merge in merges):
        raise InputError(f"{file.path}: tokenizer.ggml.merges: wanted two tokens each, with a blank between them")
    named = _special(file, tokens)
    made = _made(file, tokens, types, merges, way)
    if file.field("tokenizer.ggml.add_bos_token", bool, False) and "bos_token" in named:
        _begun(made, named["bos_token"])
    made.save(str(folder / "tokenizer.json"))
    template = file.field("tokenizer.chat_template", str, "")
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **named}
        | ({"chat_template": template} if template else {}),
    )


def _made(file: Gguf, tokens: list[str], types: list[int], merges: list[Any], way: str) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(tokens)}
    try:
        made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    except Exception as error:  # what tokenizers raises has no type of its own
        raise InputError(f"{file.path}: its tokenizer cannot be built: {error}") from None
    pattern = WAYS[way]
    cuts: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if way == "smollm" else []
    cuts += [] if pattern is None else [pre_tokenizers.Split(Regex(pattern), "isolated")]
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)]
    )
    if way == "qwen2":
        made.normalizer = normalizers.NFC()
    made.decoder = decoders.ByteLevel()
    held = list(zip(tokens, types, strict=True))
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, of in held if of == CONTROL])
    made.add_tokens([AddedToken(t, special=False, normalized=False) for t, of in held if of == GIVEN])
    return made


def _begun(made: Any, token: str) -> None:
    from tokenizers import processors

    made.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token}:1 $B:1", special_tokens=[(token, made.token_to_id(token))]
    )


def _special(file: Gguf, tokens: list[str]) -> dict[str, str]:
    """Return the special tokens that the file names, by transformers' names."""
    found = {}
    for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown")):
        number = file.fields.get(f"tokenizer.ggml.{key}_token_id")
        if number is None:
            continue
        if not isinstance(number, int) or not 0 <= number < len(tokens):
            raise InputError(f"{file.path}: tokenizer.ggml.{key}_token_id: found {number!r}, wanted a token's number")
        found[f"{name}_token"] = tokens[number]
    return found
