"""Which tokens of a conversation are learnt, and that a response begins behind the same tokens as in generation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from stages.cleaning.values import value
from stages.core.errors import InputError
from stages.encoding import Encoder, load_encoder
from stages.inputs.chat import Chat
from stages.interfaces import Encoded
from tests.tiny import ROOT

ENCODER = load_encoder(ROOT / "files/chat/model", 256)
TURNS = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "ho"},
    {"role": "user", "content": "and?"},
    {"role": "assistant", "content": "ha"},
]
LINES = (tuple(json.dumps(turn) for turn in TURNS),)
USER, ANSWER = "<|im_start|>user\n{}<|im_end|>\n", "<|im_start|>assistant\n"
SECRETIVE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content if loop.last or m.role == 'user' else '…' }}\n{% endfor %}"
)


def encoded(chat: Chat, example: Any, encoder: Encoder = ENCODER) -> Encoded:
    (found,) = chat.encode([example], encoder)
    return found


def marked(found: Encoded) -> str:
    (window,) = found.windows
    assert window.counts is not None
    return ENCODER.marked(window.ids, window.counts)


def test_a_response_is_learnt_with_the_sign_at_its_end() -> None:
    assert marked(encoded(Chat(), ("hi", "ho"))) == f"{USER.format('hi')}{ANSWER}[[ho<|im_end|>\n]]"


def test_an_instruction_and_its_input_are_one_turn() -> None:
    chat = Chat(form="alpaca", system="be brief")
    first = "<|im_start|>system\nbe brief<|im_end|>\n"
    both = USER.format("add\n\n1 2")
    assert marked(encoded(chat, ("add", "1 2", "3"))) == f"{first}{both}{ANSWER}[[3<|im_end|>\n]]"
    assert marked(encoded(chat, ("add", "", "3"))) == f"{first}{USER.format('add')}{ANSWER}[[3<|im_end|>\n]]"


def test_every_turn_of_the_assistant_or_the_last() -> None:
    first, second = USER.format("hi"), USER.format("and?")
    one, two = "ho<|im_end|>\n", "ha<|im_end|>\n"
    chat = Chat(form="messages")
    assert marked(encoded(chat, LINES)) == f"{first}{ANSWER}[[{one}]]{second}{ANSWER}[[{two}]]"
    assert marked(encoded(replace(chat, learn="last"), LINES)) == f"{first}{ANSWER}{one}{second}{ANSWER}[[{two}]]"


def test_a_prompt_has_the_tokens_that_stand_before_its_response() -> None:
    whole, prompt = encoded(Chat(), ("hi", "ho")).windows[0], encoded(Chat(), ("hi", "")).windows[0]
    assert whole.counts is not None
    assert whole.ids[: whole.counts.index(1)] == prompt.ids
    assert not any(prompt.counts or ())


def test_ids_are_those_of_transformers() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "files/chat/model")
    theirs = tokenizer.apply_chat_template(TURNS)["input_ids"]
    assert encoded(Chat(form="messages"), LINES).windows[0].ids == theirs


def test_rows_that_are_too_long_are_left_out_or_cut_at_their_left() -> None:
    short = replace(ENCODER, max_length=12)
    example = ("which of them is the longest prompt?", "ho")
    whole = encoded(Chat(), example).windows[0]
    dropped = encoded(Chat(), example, short)
    assert (dropped.windows, dropped.cut) == ((), True)
    cut = encoded(Chat(long="cut"), example, short)
    assert (cut.windows[0].ids, cut.windows[0].counts) == (whole.ids[-12:], (whole.counts or [])[-12:])
    assert (
        encoded(Chat(), (example[0], ""), short).windows[0].ids
        == encoded(Chat(), (example[0], "")).windows[0].ids[-12:]
    )
    with pytest.raises(InputError, match=r"^tokenize.max_length: found 12, but a response alone has \d+ tokens"):
        encoded(Chat(long="cut"), ("hi", "a response of many words that fills it"), short)


def test_a_template_that_changes_what_was_said_is_refused() -> None:
    with pytest.raises(InputError, match="^input.template: the chat template changes what was said before turn 2"):
        encoded(Chat(form="messages", template=SECRETIVE), LINES)
    assert encoded(Chat(form="messages", template=SECRETIVE, learn="last"), LINES).windows


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for %}", "^input.template: the chat template is none: "),
        ("{{ raise_exception('no system') }}", "^the chat template refuses the turns: no system$"),
        ("{{ messages[9].content.x }}", "^the chat template fails: UndefinedError"),
        ("{{ ''.__class__.__mro__ }}", "^the chat template fails: SecurityError"),
        ("{{ strftime_now('%Y') }}", "^the chat template fails: UndefinedError"),
    ],
)
def test_templates_that_do_not_do(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        encoded(Chat(template=template), ("hi", "ho"))


def test_a_base_without_a_template_wants_one() -> None:
    with pytest.raises(InputError, match="^input.template: the base model has no chat template"):
        encoded(Chat(), ("hi", "ho"), replace(ENCODER, template=None))


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([{"role": "human", "content": "hi"}], "^here: column 'm', turn 1: unknown role 'human'"),
        ([{"role": "user", "text": "hi"}], "^here: column 'm', turn 1: unknown key 'text'"),
        ([{"role": "assistant", "content": "hi"}], "turn 1: the assistant speaks first"),
        ([{"role": "user", "content": "  "}, TURNS[1]], "turn 1: the content of this user turn is empty"),
        ([TURNS[0], {"role": "assistant", "content": ""}, *TURNS[2:]], "turn 2: the content of this assistant turn"),
        ([{"role": "user", "content": [1]}], "turn 1: content: found '\\[1\\]', wanted a text"),
        (["hi"], "found \"\\['hi'\\]\" in column 'm', wanted a list of turns"),
    ],
)
def test_turns_that_are_none(turns: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        value(tuple(turns) if isinstance(turns[0], dict) else turns, "turns", "here", "m")


def test_a_conversation_without_a_response_at_its_end_is_empty_and_predict_wants_none() -> None:
    assert value(tuple(TURNS[:1]), "turns", "here", "m") is None
    assert value((TURNS[0], {"role": "assistant", "content": " "}), "turns", "here", "m") is None
    assert value("", "turns", "here", "m") is None
    assert value(json.dumps(TURNS), "turns", "here", "m") == value(tuple(TURNS), "turns", "here", "m")
    assert value(tuple(TURNS), "opening", "here", "m") == value(tuple(TURNS[:3]), "opening", "here", "m")
    with pytest.raises(InputError, match="no turn of a user"):
        value(({"role": "system", "content": "x"},), "opening", "here", "m")


def test_objects_are_no_words() -> None:
    with pytest.raises(InputError, match="^here: found a list of objects in column 'm'"):
        value(tuple(TURNS), "words", "here", "m")


def test_what_is_shown() -> None:
    assert Chat().shown(("hi", "ho")) == {"prompt": "hi", "response": "ho"}
    assert Chat(form="messages").shown(LINES)["messages"].splitlines()[1] == "assistant: ho"
