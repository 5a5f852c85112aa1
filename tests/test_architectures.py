"""Which base models are taken, how they are computed, and that what is taken is exact: docs/architectures.md.

Each is a tiny model of its kind. It is built twice, as two workers build it, and the gradients of its shards are
computed in another order; then it is saved and read back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import InputError
from stages.inference import outputs, padding_note
from stages.learning import Head, TokenRows
from stages.models import build, compute, is_packed, load
from stages.objectives.fgm import FGM
from stages.repro.draws import undrawn
from stages.repro.group import Alone
from stages.targets.classes.head import Head as Classes
from stages.targets.tags.head import Head as Tags
from stages.training.dropout import Masks
from stages.training.shard import Shard

PAGE = Path(__file__).parents[1] / "docs/architectures.md"
CPU = torch.device("cpu")
HEADS: dict[str, Head] = {
    "classes": Classes({"labels": ["a", "b", "c"]}),
    "tags": Tags({"labels": ["O", "B-x", "I-x"]}),
}
HALF = {"vocab_size": 50, "pad_token_id": 0}
BERT = {**HALF, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 40}  # fmt: skip
ONE = {**BERT, "pad_token_id": 1}  # padding as RoBERTa has it
DECODER = {**BERT, "num_key_value_heads": 1, "attention_dropout": 0.1, "pad_token_id": 2, "eos_token_id": 2}
BART = {**HALF, "d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 40,
        "pad_token_id": 1, "eos_token_id": 2, "attention_dropout": 0.1, "encoder_layerdrop": 0.5}  # fmt: skip
PADDING = "padding changes its logits: one line says by how much"
TAGS_PADDING = "of tags, padding changes the logits: one line says by how much"


@dataclass(frozen=True)
class Row:
    """One line of the page."""

    name: str
    how: str  # unpadded, padded or refused
    config: dict[str, Any] = field(repr=False)
    remark: str = ""

    @property
    def line(self) -> str:
        """Return it as Markdown."""
        return f"| {self.name} | `{self.model_type}` | {self.how} | {self.tags} | {self.remark} |"

    @property
    def tags(self) -> str:
        """Return how it is computed for tags: – where transformers has no such head, or it is refused for classes."""
        from transformers.models.auto.modeling_auto import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES as KNOWN

        return self.how if self.model_type in KNOWN and self.how != "refused" else "–"

    @property
    def model_type(self) -> str:
        """Return what config.json calls it."""
        return str(self.config["model_type"])


def row(name: str, model_type: str, how: str, config: dict[str, Any], remark: str = "", **more: Any) -> Row:
    return Row(name, how, {"model_type": model_type, **config, **more}, remark)


ROWS = [
    row("BERT", "bert", "unpadded", BERT),
    row("RoBERTa", "roberta", "unpadded", ONE),
    row("XLM-RoBERTa", "xlm-roberta", "unpadded", ONE),
    row("CamemBERT", "camembert", "unpadded", ONE),
    row("ELECTRA", "electra", "unpadded", BERT, embedding_size=8),
    row("ERNIE", "ernie", "unpadded", BERT),
    row("DistilBERT", "distilbert", "padded", {**HALF, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}),
    row("ALBERT", "albert", "padded", BERT, embedding_size=8, hidden_dropout_prob=0.1),
    row("MPNet", "mpnet", "padded", ONE),
    row("DeBERTa", "deberta", "padded", BERT, relative_attention=True, pos_att_type=["p2c", "c2p"]),
    row("DeBERTa-v2, v3", "deberta-v2", "padded", BERT, relative_attention=True, pos_att_type=["p2c", "c2p"]),
    row("ModernBERT", "modernbert", "padded", BERT, attention_dropout=0.1, mlp_dropout=0.1, local_attention=4,
        cls_token_id=3, sep_token_id=2, bos_token_id=3, eos_token_id=2),
    row("Longformer", "longformer", "padded", BERT, attention_window=4),
    row("ESM", "esm", "padded", ONE, mask_token_id=4),
    row("Funnel", "funnel", "padded", {**HALF, "d_model": 16, "block_sizes": [1, 1], "n_head": 2, "d_head": 8,
        "d_inner": 32, "num_decoder_layers": 1}, TAGS_PADDING),
    row("BigBird, full attention", "big_bird", "padded", BERT,
        "`model.overrides: {attention_type: original_full}`", attention_type="original_full"),
    row("ConvBERT", "convbert", "padded", BERT, PADDING, embedding_size=8, head_ratio=2, conv_kernel_size=3),
    row("FNet", "fnet", "padded", BERT, PADDING),
    row("BART", "bart", "padded", BART, "its head reads the end token, which its tokenizer must add"),
    row("T5", "t5", "padded", {**HALF, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2,
        "eos_token_id": 2, "decoder_start_token_id": 0}, "as BART; an encoder alone lacks the decoder's weights"),
    row("GPT-2", "gpt2", "padded", {**HALF, "n_positions": 40, "n_embd": 16, "n_layer": 2, "n_head": 2,
        "pad_token_id": 2, "eos_token_id": 2}, "its head reads the last token that is no padding"),
    row("OPT", "opt", "padded", {**HALF, "hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 32, "layerdrop": 0.5,
        "num_attention_heads": 2, "max_position_embeddings": 40, "word_embed_proj_dim": 16, "pad_token_id": 1,
        "attention_dropout": 0.1}, "as GPT-2"),
    row("Llama", "llama", "padded", DECODER, "as GPT-2"),
    row("Mistral", "mistral", "padded", DECODER, "as GPT-2"),
    row("Qwen2", "qwen2", "padded", DECODER, "as GPT-2"),
    row("Qwen3", "qwen3", "padded", DECODER, "as GPT-2", head_dim=8),
    row("Gemma", "gemma", "padded", DECODER, "as GPT-2", head_dim=8),
    row("BigBird, block-sparse", "big_bird", "refused", BERT, "draws random numbers of its own: take full attention",
        attention_type="block_sparse", block_size=2, num_random_blocks=1),
    row("XLNet", "xlnet", "refused", {**HALF, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
        "its head reads the last place of a row, where padding lies"),
]  # fmt: skip
TAKEN = [
    pytest.param(r, target, id=f"{r.name}-{target}")
    for r in ROWS
    for target, how in (("classes", r.how), ("tags", r.tags))
    if how in ("unpadded", "padded")
]
LENGTHS = np.array([13, 12, 7, 3, 9, 9], dtype=np.int32)


def base(folder: Path, config: dict[str, Any]) -> Path:
    """Save a base model whose weights are large enough to tell one token from another."""
    from transformers import AutoConfig, AutoModel

    fields = {name: value for name, value in config.items() if name != "model_type"}
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(config["model_type"], architectures=[], **fields))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


def token_rows(pad: int) -> TokenRows:
    """Return rows that end in token 2, the end of texts; every token is a word."""
    draw = np.random.default_rng(1)
    tokens = [np.array([*draw.integers(5, 50, length - 1), 2], dtype=np.int32) for length in LENGTHS]
    columns: dict[str, Any] = {
        "input_ids": tokens,
        "places": [np.arange(length) for length in LENGTHS],
        "tags": [np.arange(length) % 3 for length in LENGTHS],
    }
    labels = np.arange(len(LENGTHS)) % 3
    return TokenRows(
        LENGTHS,
        lambda indices: {
            "label": labels[indices],
            "length": LENGTHS[indices],
            **{n: [c[i] for i in indices] for n, c in columns.items()},
        },
        pad,
    )


def built(folder: Path, target: str = "classes") -> Any:
    return build(folder, HEADS[target], "pretrained", "new", {}, 1).model


def shards(model: Any, head: Head, rows: TokenRows, order: list[int]) -> dict[int, torch.Tensor]:
    """Return the gradient of each shard of two rows, computed in this order."""
    masks, gradients = Masks(), {}
    model.train()
    for shard in order:
        part = rows.take(np.array([2 * shard, 2 * shard + 1]))
        model.zero_grad()
        masks.begin(100 + shard)
        with undrawn(model), masks:
            loss = head.losses(compute(model, head, part, rows.pad, CPU), part, 0.0).mean()
        loss.backward()
        learnt = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
        gradients[shard] = torch.cat([gradient.flatten() for gradient in learnt])
    return gradients


@pytest.mark.parametrize(("row", "target"), TAKEN)
def test_what_is_taken_is_exact(tmp_path: Path, row: Row, target: str) -> None:
    folder, rows, head = base(tmp_path / "base", row.config), token_rows(row.config["pad_token_id"]), HEADS[target]
    first, second = built(folder, target), built(folder, target)
    assert is_packed(first) is (row.how == "unpadded")
    note = padding_note(first, rows, head, CPU)
    assert (note is not None) is (row.remark == PADDING or (row.remark == TAGS_PADDING and target == "tags"))
    one, two = shards(first, head, rows, [0, 1, 2]), shards(second, head, rows, [2, 0, 1])
    assert all(torch.equal(one[shard], two[shard]) and one[shard].any() for shard in one)
    found = outputs(first, rows, head, Alone(CPU), "x")
    first.save_pretrained(tmp_path / "saved")
    again = outputs(load(tmp_path / "saved", head), rows, head, Alone(CPU), "x")
    assert found.tobytes() == again.tobytes()


def shard(model: Any, part: Any, head: Head) -> Shard:
    """Return the forward pass over windows as the adversarial objectives ask for it."""
    weights = torch.ones(len(head.weights(part, None)))
    return Shard(model, head, part, model.config.pad_token_id, CPU, "float32", weights, lambda: None, lambda _: None)


@pytest.mark.parametrize("name", ["BERT", "ELECTRA", "DeBERTa-v2, v3", "ModernBERT", "Longformer", "GPT-2", "Gemma"])
def test_a_shift_of_the_embeddings_stands_for_another_token(tmp_path: Path, name: str) -> None:
    (row,) = [row for row in ROWS if row.name == name]
    model, rows = built(base(tmp_path, row.config)).eval(), token_rows(row.config["pad_token_id"])
    head, part = HEADS["classes"], rows.take(np.arange(4))
    other = {**part, "input_ids": [np.concatenate([ids[-2::-1], ids[-1:]]) for ids in part["input_ids"]]}
    one, two = (torch.from_numpy(np.concatenate(p["input_ids"])).long() for p in (part, other))
    look = model.get_input_embeddings()
    with torch.no_grad():
        found, wanted = shard(model, part, head)(look(two) - look(one)), shard(model, other, head)()
        before = shard(model, part, head)()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert (found - before).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["BART", "T5"])
def test_embeddings_that_are_not_read_once_are_not_perturbed(tmp_path: Path, name: str) -> None:
    (row,) = [row for row in ROWS if row.name == name]
    model, rows = built(base(tmp_path, row.config)).eval(), token_rows(row.config["pad_token_id"])
    part = rows.take(np.arange(4))
    with pytest.raises(
        InputError, match=r"^train.objective: \w+ reads its input embedding 0 times a pass, wanted once"
    ):
        FGM().losses(shard(model, part, HEADS["classes"]), HEADS["classes"], part)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("BigBird, block-sparse", r"^BigBirdForSequenceClassification: draws random numbers of its own \(torch"),
        ("XLNet", "^XLNetForSequenceClassification: its head reads the last place of a row, where padding lies"),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, name: str, message: str) -> None:
    (row,) = [row for row in ROWS if row.name == name]
    model = built(base(tmp_path, row.config))
    with pytest.raises(InputError, match=message):
        padding_note(model, token_rows(0), HEADS["classes"], CPU)


@pytest.mark.parametrize("name", ["GPT-2", "Llama", "OPT"])
def test_the_last_token_counts_though_it_pads(tmp_path: Path, name: str) -> None:
    """Rows end in token 2, which pads GPT-2 and Llama here: alone and in a padded batch the same token is read."""
    (row,) = [row for row in ROWS if row.name == name]
    model, rows = built(base(tmp_path, row.config)).eval(), token_rows(row.config["pad_token_id"])
    every = np.arange(len(LENGTHS))
    with torch.no_grad():
        batch = compute(model, HEADS["classes"], rows.take(every), rows.pad, CPU)
        alone = [compute(model, HEADS["classes"], rows.take(every[[n]]), rows.pad, CPU) for n in every]
    torch.testing.assert_close(torch.cat(alone), batch, rtol=1e-4, atol=1e-5)
    assert batch.std(dim=0).min() > 1e-3


def test_the_page_holds_this_table() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert lines[2:] == [row.line for row in ROWS]
