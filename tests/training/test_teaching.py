"""A teacher through finetune: asked once, kept by digest, and refused by name where it does not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.files import read_json, write_json
from stages.training import teaching
from tests import tiny

DISTIL = "{name: distil, temperature: 2.0}"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a teacher that was fine-tuned here."""
    root = tiny.clone(tmp_path_factory.mktemp("taught") / "clone", epochs="1")
    tiny.run_here(root)
    (root / "models/finetuned").rename(root / "models/teacher")
    for name in ("metrics", ".reprise"):
        shutil.rmtree(root / name)
    tiny.set_params(root, epochs="1", objective=DISTIL)
    return root


@pytest.fixture
def root(taught: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(taught, tmp_path / "clone", symlinks=True))


def forbidden(*_: Any) -> Any:
    raise AssertionError("the teacher was read")


def test_it_is_asked_once_whatever_learns_from_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.run_here(root)
    before = tiny.outputs(root)
    assert [path.name for path in (root / ".reprise").glob("teacher/*/*")] == ["step-0000000000"]
    monkeypatch.setattr(teaching, "load", forbidden)
    tiny.run_here(root)
    assert tiny.outputs(root) == before
    tiny.set_params(root, epochs="1", objective="{name: distil, weight: 0.9}", overrides="{num_hidden_layers: 1}")
    tiny.run_here(root)
    assert tiny.outputs(root) != before


def test_what_is_kept_and_damaged_is_computed_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.run_here(root)
    before = tiny.outputs(root)
    (kept,) = (root / ".reprise").glob("teacher/*/*/teacher.safetensors")
    sound = kept.read_bytes()
    kept.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    capsys.readouterr()
    tiny.run_here(root)
    assert "teacher.safetensors: damaged: sha256 is" in capsys.readouterr().err
    assert tiny.outputs(root) == before
    assert kept.read_bytes() == sound


@pytest.mark.parametrize("name", ["models/teacher/config.json", "data/tokens/train.arrow"])
def test_another_teacher_or_other_rows_are_asked_anew(root: Path, name: str) -> None:
    tiny.run_here(root)
    if name.endswith(".json"):
        write_json(root / name, read_json(root / name) | {"note": "another one"})
    else:
        tiny.token_folder(root / "more", rows=70)
        shutil.copy(root / "more/train.arrow", root / name)
    tiny.run_here(root)
    assert len(list((root / ".reprise").glob("teacher/*"))) == 2


def edited(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        content = read_json(root / name)
        change(content)
        write_json(root / name, content)

    return edit


def labels(*names: str) -> Callable[[Path], None]:
    numbered = {str(place): name for place, name in enumerate(names)}
    known = {"id2label": numbered, "label2id": {name: place for place, name in enumerate(names)}}
    return edited("models/teacher/config.json", lambda content: content.update(known))


def words(change: Callable[[dict[str, int]], Any]) -> Callable[[Path], None]:
    return edited("models/teacher/tokenizer.json", lambda content: change(content["model"]["vocab"]))


def swapped(vocabulary: dict[str, int]) -> None:
    vocabulary["w3"], vocabulary["w4"] = vocabulary["w4"], vocabulary["w3"]


ANOTHER = (
    r"model\.teacher: wanted the tokenizer\.json of models/base \(sha256 \w{12}…\), found another \(sha256 \w{12}…\)"
)
LABELS = r"^model\.teacher: wanted the labels of the data in their order, but "
REFUSED: list[tuple[Callable[[Path], Any], str]] = [
    (lambda root: shutil.rmtree(root / "models/teacher"),
     r"^model\.teacher: found null, wanted the model from which train\.objective distil learns$"),
    (lambda root: tiny.set_params(root),
     r"^model\.teacher: a model that train\.objective plain does not read: wanted null, or distil$"),
    (labels("a", "c", "b"), LABELS + "its label 1 is 'c', not 'b'$"),
    (labels("a", "b", "x"), LABELS + "it does not know 'c'$"),
    (labels("a", "x"), LABELS + "it does not know 'b' and 1 more$"),
    (labels("a", "b", "c", "d"), LABELS + "it has 'd' besides$"),
    (words(swapped), ANOTHER + ": token 8 is 'w4', not 'w3'$"),
    (words(lambda vocabulary: vocabulary.pop("w34")), ANOTHER + ": 39 tokens, not 40$"),
    (edited("models/teacher/tokenizer.json", lambda content: content.update(normalizer={"type": "Lowercase"})),
     ANOTHER + ": another normalizer$"),
    (edited("models/teacher/task.json", lambda content: content["target"].update(name="relations")),
     r"^model\.teacher: its target is relations, wanted classes, that of the data$"),
    (edited("models/teacher/config.json", lambda content: content.update(problem_type="multi_label_classification")),
     r"^model\.teacher: its target is multi_label_classification, wanted classes, that of the data$"),
    (edited("models/teacher/config.json", lambda content: content.update(hidden_size=8)),
     r"^model\.teacher: models/teacher: no fine-tuned model: no weights that fit bert\.embeddings"),
    (edited("data/tokens/schema.json", lambda content: content.update(max_length=40)), "the model has 24 positions"),
    (lambda root: tiny.set_params(root, objective="{name: distil, temperature: 0.0}"),
     r"train\.objective\.temperature: found 0\.0, wanted greater than 0"),
    (lambda root: tiny.set_params(root, objective="{name: distil, temperature: -1.0}"),
     r"train\.objective\.temperature: found -1\.0, wanted greater than 0"),
    (lambda root: tiny.set_params(root, objective="{name: distil, weight: 1.5}"),
     r"train\.objective\.weight: found 1\.5, wanted less than or equal to 1"),
    (lambda root: tiny.set_params(root, objective="{name: distil, weight: -0.5}"),
     r"train\.objective\.weight: found -0\.5, wanted greater than or equal to 0"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_does_not_fit_is_refused(root: Path, change: Callable[[Path], Any], message: str) -> None:
    change(root)
    with pytest.raises(InputError, match=message):
        tiny.run_here(root)
    assert not (root / "models/finetuned").exists()
    assert not (root / ".reprise/teacher").exists()


def test_hidden_tokens_are_refused(root: Path) -> None:
    edited("data/tokens/schema.json", lambda content: content.update(target={"name": "masked"}))(root)
    tiny.set_params(root, objective=DISTIL, target="{name: masked, probability: 0.4}", epochs="1")
    message = "distil asks a teacher once for each row, but the target masked asks another thing of it in each epoch"
    with pytest.raises(InputError, match=message):
        tiny.run_here(root)
