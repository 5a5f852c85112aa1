"""The tokenizer of a fine-tuned model: the base's own tokenizer.json, and a config by which transformers takes it.

AutoTokenizer rebuilds most tokenizers from the fields of tokenizer_config.json and the class that the model's type
suggests, which may give other ids than tokenizer.json. The class written here takes tokenizer.json as it is.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, refusals_told
from stages.core.files import write_json
from stages.encoding.encoder import load_encoder, load_tokenizer
from stages.encoding.special import named_tokens
from stages.encoding.template import template_of

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

PLAIN = "PreTrainedTokenizerFast"  # the class that takes tokenizer.json as it is, by the name that all versions know
PROBED = 256  # training rows whose texts are compared too
PROBES = (
    "The Old Gull's café, ZÜRICH: 1,234.50 €!", " two  blanks ", "naïve\u00a0Straße\u200b", "漢字と🙂 emoji",
    "don't re-do", "x = y_1 + 'z';\ttab\nline", "ﬁ ½ Å İ", "[CLS] <s> </s> <pad> [MASK] <unk> <|endoftext|>",
)  # fmt: skip


def save_tokenizer(
    base: Path, folder: Path, max_length: int, pad: int, segments: bool = False, template: str | None = None
) -> None:
    """Write tokenizer.json and tokenizer_config.json of the model folder `base` into `folder`.

    A tokenizer.json is copied byte for byte; `max_length` and the padding token, id `pad`, stand in the config, which
    names those special tokens that tokenizer.json marks as such: naming another would change the ids of a text that
    holds it. `segments`: whether the model is given token_type_ids. `template` takes the place of the base's chat
    template. Raises InputError when `base` has no tokenizer that can be read.
    """
    tokenizer = load_tokenizer(base)
    if (base / "tokenizer.json").is_file():
        shutil.copyfile(base / "tokenizer.json", folder / "tokenizer.json")
    else:
        (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True), encoding="utf-8", newline="\n")
    marked = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    named = {**named_tokens(base), "pad_token": tokenizer.id_to_token(pad)}
    config = {
        **{name: token for name, token in named.items() if token in marked},
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"],
        "model_max_length": max_length,
        "padding_side": "right",
        "tokenizer_class": PLAIN,
        "truncation_side": (tokenizer.truncation or {}).get("direction", "right"),
    }
    if template := template or template_of(base):
        config["chat_template"] = template
    write_json(folder / "tokenizer_config.json", config)


def reads_as_written(folder: Path, texts: Sequence[str]) -> bool:
    """Return whether AutoTokenizer makes of `folder` the tokenizer that its tokenizer.json holds.

    They are the same when all their parts that make ids are; else `texts` and PROBES must have the same ids. Raises
    InputError when the folder has no tokenizer.json that can be read.
    """
    from transformers import AutoTokenizer

    written = load_tokenizer(folder)
    try:
        with refusals_told("AutoTokenizer"):
            auto = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            made = auto.backend_tokenizer
            if _parts(made) == _parts(written):
                return True
            return all(_ids(made, text) == _ids(written, text) for text in (*PROBES, *texts))
    except InputError:  # it makes none at all of these files
        return False


def contradictions(base: Path, max_length: int, pad: int, rows: Sequence[np.ndarray[Any, Any]]) -> Iterator[str]:
    """Yield where transformers makes another tokenizer of the files of `base`, or of those `save_tokenizer` writes.

    rows: token ids of training rows, whose texts, as far as the tokens spell them, are compared besides PROBES.
    """
    texts = load_encoder(base, max_length).whole.decode_batch([row.tolist() for row in rows])
    if (base / "tokenizer.json").is_file() and not reads_as_written(base, texts):
        yield f"{base}: its tokenizer.json counts; from its other files AutoTokenizer makes a tokenizer with other ids"
    with tempfile.TemporaryDirectory(prefix="reprise-") as name:
        shutil.copyfile(base / "config.json", Path(name, "config.json"))
        save_tokenizer(base, Path(name), max_length, pad)
        if not reads_as_written(Path(name), texts):
            yield (
                "AutoTokenizer makes a tokenizer of its own for this type of model, with other ids than those trained "
                "on: stages.predict is right; load the saved tokenizer by PreTrainedTokenizerFast"
            )


def difference(one: Path, other: Path) -> str | None:
    """Return how the tokenizer of the model folder `other` makes other ids than that of `one`; None if it does not.

    Raises InputError when either cannot be read.
    """
    ours, theirs = (load_tokenizer(folder) for folder in (one, other))
    if _parts(ours) == _parts(theirs):
        return None
    sizes = [tokenizer.get_vocab_size() for tokenizer in (ours, theirs)]
    if sizes[0] != sizes[1]:
        return f"{sizes[1]} tokens, not {sizes[0]}"
    for number in range(sizes[0]):
        if ours.id_to_token(number) != theirs.id_to_token(number):
            return f"token {number} is {theirs.id_to_token(number)!r}, not {ours.id_to_token(number)!r}"
    before, after = _parts(ours), _parts(theirs)
    return f"another {next(name for name in before if before[name] != after.get(name))}"


def _parts(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the parts of a tokenizer that make ids: not how it cuts, pads and decodes."""
    parts: dict[str, Any] = json.loads(tokenizer.to_str())
    processor = parts["post_processor"] or {}
    if processor.get("type") == "TemplateProcessing" and not processor["special_tokens"]:
        parts["post_processor"] = None
    return {name: part for name, part in parts.items() if name not in ("decoder", "padding", "truncation", "version")}


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids: list[int] = tokenizer.encode(text).ids
    return ids
