"""Decoding of params: exact values in, exact messages out."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError, model_validator

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.params import Elsewhere, Section, choice, decode, dvc_keys, is_elsewhere, load


@dataclass(frozen=True)
class Layers:
    """The lowest layers stay."""

    layers: Annotated[int, Field(ge=0)]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    """All learns."""

    rates: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "head" in self.rates:
            raise ValueError("rates: the head has the rate of train.lr")


@dataclass(frozen=True)
class Stop:
    """When to stop."""

    patience: Annotated[int, Field(ge=1)]


class Keep(Section):
    """Which rows stay."""

    column: str


class Train(Section):
    """Two keys that go together, a plug-in and an optional record."""

    batch: Annotated[int, Field(ge=1)]
    shard: int
    lr: Annotated[float, Field(gt=0, lt=1)]
    tuning: choice({"layers": f"{__name__}:Layers", "whole": f"{__name__}:Whole"})  # type: ignore[valid-type]
    stop: choice({"plateau": f"{__name__}:Stop"}, tag="kind") | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _multiple(self) -> Train:
        if self.batch % self.shard:
            raise ValueError(f"batch is {self.batch}, wanted a multiple of shard ({self.shard})")
        return self


class Data(Section):
    """A section of which another stage reads a key."""

    files: dict[str, str]
    keep: Keep | None = None
    source: Elsewhere = None


class Params(Section):
    """What a stage reads."""

    seed: Annotated[int, Field(ge=0)]
    data: Data
    train: Train


GOOD = """\
seed: 1
data:
  files: {train: a.tsv}
  source: {kind: anything}
train:
  batch: 8
  shard: 4
  lr: 3e-05
  tuning:
    name: layers
    layers: 2
evaluate: {of: another stage}
"""


def read(text: str) -> Params:
    return decode(Params, *yaml12.parse(text, "params.yaml"), "params.yaml")


def refusal(old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        read(GOOD.replace(old, new, 1))
    return str(caught.value)


def test_values() -> None:
    params = read(GOOD)
    assert (params.seed, params.data.files, params.train.lr) == (1, {"train": "a.tsv"}, 3e-05)
    assert params.train.tuning == Layers(layers=2, names=())


def test_an_integer_will_do_for_a_number() -> None:
    params = read(GOOD.replace("name: layers\n    layers: 2", "name: whole\n    rates: {base: 1}"))
    assert params.train.tuning == Whole(rates={"base": 1.0})


def test_a_registry_of_one() -> None:
    assert read(GOOD.replace("  tuning:", "  stop: {kind: plateau, patience: 3}\n  tuning:")).train.stop == Stop(3)


def test_values_are_frozen() -> None:
    params = read(GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        params.seed = 2
    with pytest.raises(FrozenInstanceError):
        params.train.tuning.layers = 3


def test_what_another_stage_reads_is_not_looked_at() -> None:
    assert read(GOOD.replace("{kind: anything}", "[1, yes]")).data.files == {"train": "a.tsv"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 1\n", "", "params.yaml: seed: missing"),
        ("seed: 1\n", "sede: 1\n", "params.yaml, line 1: sede: unknown section (nearest: 'seed')"),
        ("seed: 1", "seed: -1", "params.yaml, line 1: seed: found -1, wanted greater than or equal to 0"),
        ("seed: 1", "seed: 1.0", "params.yaml, line 1: seed: found 1.0, wanted a valid integer"),
        ("seed: 1", "seed: true", "params.yaml, line 1: seed: found true, wanted a valid integer"),
        ("seed: 1", "seed: '1_000'", 'params.yaml, line 1: seed: found "1_000", wanted a valid integer'),
        (
            "{train: a.tsv}",
            "{train: 'a${b}'}",
            "params.yaml, line 3: data.files.train: holds ${, which `dvc exp run -S` takes for a reference to"
            " another key: in a regular expression write [$]{",
        ),
        (
            "of: another stage",
            "of: [a, '${']",
            "params.yaml, line 12: evaluate.of.1: holds ${, which `dvc exp run -S` takes for a reference to"
            " another key: in a regular expression write [$]{",
        ),
        ("seed: 1", "seed:", "params.yaml, line 1: seed: found nothing, wanted a valid integer"),
        ("lr: 3e-05", "lr: fast", 'params.yaml, line 8: train.lr: found "fast", wanted a valid number'),
        ("lr: 3e-05", "lr: '3e-05'", 'params.yaml, line 8: train.lr: found "3e-05", wanted a valid number'),
        ("lr: 3e-05", "lr: 3", "params.yaml, line 8: train.lr: found 3, wanted less than 1"),
        ("lr: 3e-05", "lr: .inf", "params.yaml, line 8: train.lr: found Infinity, wanted a finite number"),
        ("lr: 3e-05", "lr: .nan", "params.yaml, line 8: train.lr: found NaN, wanted a finite number"),
        ("lr: 3e-05", "lr: [1]", "params.yaml, line 8: train.lr: found a list, wanted a valid number"),
        ("lr: 3e-05", "lrr: 3e-05", "params.yaml, line 5: train.lr: missing"),
        ("{train: a.tsv}", "{train: 1}", "params.yaml, line 3: data.files.train: found 1, wanted a valid string"),
        ("source:", "sources:", "params.yaml, line 4: data.sources: unknown key (nearest: 'source')"),
        ("  source", "  keep: {colum: a}\n  source", "params.yaml, line 4: data.keep.column: missing"),
        (
            "  source",
            "  keep: {column: a, patern: b}\n  source",
            "params.yaml, line 4: data.keep.patern: unknown key (known: 'column')",
        ),
        ("    layers: 2", "    layer: 2", "params.yaml, line 9: train.tuning.layers: missing"),
        (
            "layers: 2",
            "layers: -2",
            "params.yaml, line 11: train.tuning.layers: found -2, wanted greater than or equal to 0",
        ),
        (
            "name: layers",
            "name: layer",
            "params.yaml, line 9: train.tuning.name: unknown name 'layer' (nearest: 'layers')",
        ),
        ("    name: layers\n", "", "params.yaml, line 9: train.tuning: missing its key 'name'"),
        ("shard: 4", "shard: 3", "params.yaml, line 5: train: batch is 8, wanted a multiple of shard (3)"),
        (
            "name: layers\n    layers: 2",
            "name: whole\n    rates: {head: 1}",
            "params.yaml, line 9: train.tuning: rates: the head has the rate of train.lr",
        ),
        ("train:\n  batch", "train: 3\ntokenize:\n  batch", "params.yaml, line 5: train: found 3, wanted an object"),
    ],
)
def test_refusal(old: str, new: str, message: str) -> None:
    assert refusal(old, new).splitlines()[0] == message


def test_every_problem_has_a_line_of_its_own() -> None:
    with pytest.raises(InputError) as caught:
        read(GOOD.replace("seed: 1", "seed: x").replace("lr: 3e-05", "lr: fast"))
    assert str(caught.value).splitlines() == [
        'params.yaml, line 1: seed: found "x", wanted a valid integer',
        'params.yaml, line 8: train.lr: found "fast", wanted a valid number',
    ]


def test_a_file_that_is_no_mapping() -> None:
    with pytest.raises(InputError) as caught:
        read("- 1\n")
    assert str(caught.value) == (
        "params.yaml: found a list, wanted sections: "
        "seed, seed_streams, input, target, data, augmentation, model, tokenize, train, evaluate"
    )


def test_load_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert load(Params, path) == read(GOOD)
    path.write_text(GOOD.replace("seed: 1", "seed: -1"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(Params, path)
    assert str(caught.value) == f"{path}, line 1: seed: found -1, wanted greater than or equal to 0"


def test_dvc_keys() -> None:
    assert dvc_keys(Params) == ["data.files", "data.keep", "seed", "train"]


def test_is_elsewhere() -> None:
    assert {name: is_elsewhere(field) for name, field in Data.model_fields.items()} == {
        "files": False,
        "keep": False,
        "source": True,
    }
