"""What is written behind a prompt is a function of the prompt alone, and that of transformers' own greedy search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig

from stages.core.errors import InputError
from stages.inference.generating import SHARD_ROWS, generate, parted
from stages.models.beams import beam_search
from stages.models.decoding import SLOTS, Rules, greedy
from stages.models.packing import is_packed, pack
from stages.repro.group import Alone
from stages.targets.next.head import Head
from tests.models.test_causal import CONFIGS

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = Alone(torch.device("cpu"))
DRAW = np.random.default_rng(0)
LENGTHS = [3, 9, 1, 7, 7, 2, 5, 8, 4, 6, 3, 9, 2, 2, 8, 1, 5, 6, 7, 4] * 2
PROMPTS = [DRAW.integers(2, 50, length).tolist() for length in LENGTHS]
RULES = Rules(most=12, ends=frozenset({7, 9}))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute as every worker does: more threads cut a product elsewhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(name: str) -> Any:
    torch.manual_seed(0)
    return pack(AutoModelForCausalLM.from_config(CONFIGS[name]).eval(), Head({}))


def theirs(model: Any, prompt: list[int], **options: Any) -> list[int]:
    """Return what `generate` of transformers writes."""
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, eos_token_id=[7, 9],
        pad_token_id=0, **options,
    )[0, len(prompt) :].tolist()  # fmt: skip
    return out[:-1] if out[-1] in (7, 9) else out


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("name", CONFIGS)
def test_tokens_are_those_of_transformers(name: str, penalty: float) -> None:
    torch.manual_seed(0)
    own = AutoModelForCausalLM.from_config(CONFIGS[name]).eval()
    found = greedy(built(name), PROMPTS, Rules(12, RULES.ends, penalty))
    assert len(found) > SLOTS  # so that slots are used again
    assert found == [theirs(own, prompt, repetition_penalty=penalty) for prompt in PROMPTS]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_row_alone_and_among_others_in_any_slot(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the tokens alone: every logit has the same bits."""
    from stages.models import decoding

    logits: dict[tuple[int, ...], list[bytes]] = {}
    chosen = decoding._chosen

    def noted(found: torch.Tensor, seen: torch.Tensor, rules: Rules) -> torch.Tensor:
        passes.append(found.clone())
        return chosen(found, seen, rules)

    monkeypatch.setattr(decoding, "_chosen", noted)
    model, rules = built(name), Rules(most=6)
    for order in (PROMPTS[:SLOTS], PROMPTS[:SLOTS][::-1], *([prompt] for prompt in PROMPTS[:3])):
        passes: list[torch.Tensor] = []
        greedy(model, order, rules)
        steps = passes[len(order) :]
        for slot, prompt in enumerate(order):
            own = [passes[slot][0], *(step[slot] for step in steps)]
            logits.setdefault(tuple(prompt), []).append(b"".join(of.numpy().tobytes() for of in own))
    assert all(len(set(found)) == 1 for found in logits.values())
    assert max(map(len, logits.values())) == 3


def test_other_architectures_write_a_row_at_a_time() -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(BloomConfig(vocab_size=50, hidden_size=32, n_layer=1, n_head=4)).eval()
    assert not is_packed(pack(model, Head({})))
    assert greedy(model, PROMPTS, RULES) == [theirs(model, prompt) for prompt in PROMPTS]


def test_a_token_that_ends_a_text_is_no_part_of_it() -> None:
    (whole,) = greedy(built("llama"), PROMPTS[:1], Rules(most=8))
    end = whole[5]
    assert greedy(built("llama"), PROMPTS[:1], Rules(8, frozenset({end}))) == [whole[: whole.index(end)]]


def test_a_stop_ends_a_text_where_it_is_whole() -> None:
    model = built("llama")
    (whole,) = greedy(model, PROMPTS[:1], Rules(most=8))
    stop = f"<{whole[2]}><{whole[3]}>"
    rules = Rules(most=8, stops=[stop], decode=lambda ids: "".join(f"<{i}>" for i in ids))
    assert greedy(model, PROMPTS[:1], rules) == [whole[:4]]


def test_shards_are_the_same_for_any_workers() -> None:
    class Two(Alone):
        size = 2

        def __init__(self, rank: int) -> None:
            super().__init__(torch.device("cpu"))
            self.rank = rank

        def gather(self, value: Any) -> list[Any]:
            held[self.rank] = value
            return [held.get(rank, value) for rank in range(2)]

    many = [PROMPTS[i % 40] for i in range(SHARD_ROWS + 10)]
    held: dict[int, Any] = {}
    alone = generate(built("gpt2"), many, RULES, CPU, "test")
    with pytest.raises(ValueError, match="zip"):  # the other's share is not there yet
        generate(built("gpt2"), many, RULES, Two(0), "test")
    assert generate(built("gpt2"), many, RULES, Two(1), "test") == alone
    assert alone[:40] == greedy(built("gpt2"), PROMPTS, RULES)


def test_a_prompt_beside_which_there_is_no_room_is_refused() -> None:
    with pytest.raises(InputError, match=r"max_new_tokens: found 32, but beside a prompt of 9 tokens the model has 31"):
        generate(built("gpt2"), PROMPTS, Rules(most=32), CPU, "test")


def test_prompts_and_their_last_responses() -> None:
    part = {
        "input_ids": [np.arange(8), np.arange(4), np.arange(3)],
        "counts": [np.array([0, 1, 1, 0, 0, 1, 1, 0]), np.array([0, 0, 1, 1]), np.array([0, 0, 0])],
    }
    assert parted(part) == ([[0, 1, 2, 3, 4], [0, 1], [0, 1, 2]], [[5, 6], [2, 3], []])


@pytest.mark.parametrize(("penalty", "length"), [(1.0, 1.0), (1.3, 0.0), (1.0, 2.0)])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_beams_are_those_of_transformers(name: str, penalty: float, length: float) -> None:
    torch.manual_seed(0)
    own = AutoModelForCausalLM.from_config(CONFIGS[name]).eval()
    rules = Rules(12, RULES.ends, penalty, beams=3, length_penalty=length)
    options = {"num_beams": 3, "length_penalty": length, "repetition_penalty": penalty}
    assert beam_search(built(name), PROMPTS[:20], rules) == [theirs(own, prompt, **options) for prompt in PROMPTS[:20]]
    assert generate(built(name), PROMPTS[:20][::-1], rules, CPU, "test") == beam_search(
        built(name), PROMPTS[:20][::-1], rules
    )


def test_beams_find_what_is_more_probable() -> None:
    def score(prompt: list[int], text: list[int]) -> float:
        with torch.no_grad():
            logits = own(input_ids=torch.tensor([prompt + text])).logits[0].log_softmax(dim=-1)
        return sum(float(logits[len(prompt) + n - 1, token]) for n, token in enumerate(text))

    torch.manual_seed(0)
    own = AutoModelForCausalLM.from_config(CONFIGS["llama"]).eval()
    one, two = (find(built("llama"), PROMPTS[:8], Rules(6, beams=n)) for find, n in ((greedy, 1), (beam_search, 8)))
    gains = [score(p, b) - score(p, a) for p, a, b in zip(PROMPTS, one, two, strict=False)]
    assert min(gains) > -1e-4
    assert max(gains) > 0.01


def test_beams_want_a_model_without_padding() -> None:
    model = AutoModelForCausalLM.from_config(BloomConfig(vocab_size=50, hidden_size=32, n_layer=1, n_head=4))
    with pytest.raises(InputError, match=r"^evaluate.generate.beams: found 2, wanted 1 for a BloomForCausalLM"):
        beam_search(model, PROMPTS[:1], Rules(4, beams=2))
