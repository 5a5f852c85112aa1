"""The finetune stage as a command, on a tiny BERT: the same bits through anything."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from stages import finetune
from stages.core.errors import InputError
from stages.core.files import read_json, write_json
from stages.core.params import load
from stages.objectives.plain import Plain
from stages.project import graph
from stages.repro.determinism import ENVIRONMENT
from tests import tiny
from tests.exactness.processes import alive
from tests.exactness.warm import Warm


@pytest.fixture(scope="module")
def done(warm: Warm, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which one worker has run through, undisturbed."""
    root = Path(shutil.copytree(built, tmp_path_factory.mktemp("done") / "clone", symlinks=True))
    assert warm.run(root, REPRISE_WORKERS="1") == (0, "")
    return root


def steps_done(root: Path) -> int:
    file = root / "metrics/finetune/steps.tsv"
    return len(file.read_text().splitlines()) - 1 if file.is_file() else 0


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_step(root: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while steps_done(root) < step:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_outputs_are_whole_and_nothing_else_is_left(done: Path) -> None:
    assert sorted(tiny.outputs(done)) == [
        "metrics/finetune.json",
        "metrics/finetune/steps.tsv",
        "metrics/finetune/trace.tsv",
        "metrics/finetune/validation.tsv",
        "models/finetuned/config.json",
        "models/finetuned/model.safetensors",
        "models/finetuned/task.json",
        "models/finetuned/tokenizer.json",
        "models/finetuned/tokenizer_config.json",
    ]
    assert sorted(p.name for p in (done / ".reprise").iterdir()) == ["finetune.lock"]
    assert steps_done(done) == 12


def test_it_learns(root: Path) -> None:
    tiny.set_params(root, epochs="12")
    tiny.run_here(root)
    said = read_json(root / "metrics/finetune.json")
    assert said["steps"] == 72
    assert said["validation_accuracy"] == 1.0
    assert said["parameters"] == said["learning_parameters"]


def test_the_model_loads_as_any_other_and_names_its_classes(done: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(done / "models/finetuned")
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert model.bert.embeddings.dropout.p == 0.1
    tokenizer = AutoTokenizer.from_pretrained(done / "models/finetuned")
    assert tokenizer("w0 w1")["input_ids"] == [5, 6]
    assert tokenizer.model_max_length == 24


def test_the_tokenizer_is_that_of_the_base_and_a_contradiction_is_said(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoTokenizer

    config = root / "models/base/tokenizer_config.json"
    write_json(config, {**read_json(config), "tokenizer_class": "BertTokenizer"})
    tiny.run_here(root)
    assert (
        "finetune: models/base: its tokenizer.json counts; from its other files AutoTokenizer makes a tokenizer with "
        "other ids\n"
    ) in capfd.readouterr().err
    saved = root / "models/finetuned"
    assert (saved / "tokenizer.json").read_bytes() == (root / "models/base/tokenizer.json").read_bytes()
    assert AutoTokenizer.from_pretrained(saved)("w0 W1 w2")["input_ids"] == [5, 1, 7]


def test_padding_is_that_of_the_tokens(root: Path) -> None:
    tiny.set_params(root, overrides="{pad_token_id: 5}")
    message = "model.overrides.pad_token_id: found 5, but data/tokens is padded with 0: set tokenize.pad_token"
    with pytest.raises(InputError, match=re.escape(message)):
        tiny.run_here(root)


def test_no_path_of_the_machine_is_in_the_model(done: Path) -> None:
    for file in (done / "models/finetuned").glob("*.json"):
        assert str(done) not in file.read_text()
        assert "models/base" not in file.read_text()


@pytest.mark.parametrize("workers", ["1", "2", "4"])
def test_any_number_of_workers_gives_the_same_bytes(warm: Warm, root: Path, workers: str) -> None:
    five_shards = {"batch_size": "20", "shard_size": "4", "precision": "bfloat16", "epochs": "1"}  # no power of two
    tiny.set_params(root, **five_shards)
    tiny.run_here(root)
    alone = tiny.outputs(root)
    shutil.rmtree(root / "models/finetuned")
    code, _ = warm.run(root, REPRISE_WORKERS=workers)  # which says so where bfloat16 is slow
    assert code == 0
    assert tiny.outputs(root) == alone


def test_the_shell_and_the_place_do_not_matter(done: Path, root: Path) -> None:
    moved = root.with_name("a place with spaces, ü")
    root.rename(moved)
    code, said = tiny.run(
        moved, REPRISE_WORKERS="2", OMP_NUM_THREADS="2", MKL_NUM_THREADS="8", PYTHONHASHSEED="77", TZ="Asia/Tokyo",
        LC_ALL="C", HOME=str(moved), MKL_CBWR="COMPATIBLE", MKL_ENABLE_INSTRUCTIONS="SSE4_2", PYTHONOPTIMIZE="2",
        ONEDNN_MAX_CPU_ISA="SSE41", DNNL_MAX_CPU_ISA="SSE41", ATEN_CPU_CAPABILITY="default",
    )  # fmt: skip
    assert (code, said) == (0, "")
    assert tiny.outputs(moved) == tiny.outputs(done)
    assert read_json(moved / "metrics/environment.json")["finetune"]["settings"].keys() == ENVIRONMENT.keys()


def test_the_instruction_set_asked_for_is_on_record_and_begins_another_run(
    done: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny.run(root, REPRISE_WORKERS="1", REPRISE_ISA="default") == (0, "")
    had = read_json(root / "metrics/environment.json")["finetune"]
    assert (had["settings"]["REPRISE_ISA"], had["settings"]["MKL_CBWR"]) == ("default", "COMPATIBLE")
    plain = read_json(done / "metrics/environment.json")["finetune"]["torch_cpu_capability"]
    assert (tiny.outputs(root) == tiny.outputs(done)) == (had["torch_cpu_capability"] == plain)
    monkeypatch.chdir(root)
    params, parts = load(finetune.Params), [Path("data/tokens"), Path("models/base"), Path("models/teacher")]
    before = finetune.run_digest(params, *parts)
    monkeypatch.setenv("REPRISE_ISA", "default")
    assert finetune.run_digest(params, *parts) != before


def test_killed_again_and_again_it_comes_out_the_same(warm: Warm, done: Path, root: Path) -> None:
    draw = random.Random(5)
    for workers in ("2", "1", "2"):
        started = warm.start(root, REPRISE_WORKERS=workers)
        wait_for_step(root, min(steps_done(root) + 1, 11))
        time.sleep(draw.random() * 0.1)
        started.send(signal.SIGKILL)
        started.wait()
    code, said = warm.run(root, REPRISE_WORKERS="2")
    assert code == 0, said
    assert tiny.outputs(root) == tiny.outputs(done)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_saves_and_says_from_where_it_goes_on(
    warm: Warm, done: Path, root: Path, number: signal.Signals, code: int
) -> None:
    started = warm.start(root, REPRISE_WORKERS="2")
    wait_for_step(root, 2)
    started.send(number)
    ended, said = started.wait(60)
    assert ended == code, said
    step = steps_done(root)
    assert f"finetune: stopped after step {step}; the same command goes on from there" in said
    assert not (root / "models/finetuned").exists()
    code, said = warm.run(root)
    assert (code, said) == (0, f"finetune: goes on from step {step}\n")
    assert tiny.outputs(root) == tiny.outputs(done)


def test_a_dead_worker_ends_the_run_with_its_reason_and_leaves_no_orphan(warm: Warm, root: Path) -> None:
    tiny.set_params(root, epochs="500")
    started = warm.start(root, REPRISE_WORKERS="2")
    wait_for_step(root, 2)
    children = children_of(started.pid)
    os.kill(children[1], signal.SIGKILL)
    began = time.monotonic()
    code, said = started.wait(60)
    assert time.monotonic() - began < 10
    assert code != 0
    assert "worker 1 was ended by SIGKILL" in said
    assert "Traceback" not in said
    assert not any(map(alive, children))


def test_workers_end_with_a_killed_supervisor(warm: Warm, root: Path) -> None:
    tiny.set_params(root, epochs="500")
    started = warm.start(root, REPRISE_WORKERS="2")
    wait_for_step(root, 1)
    children = children_of(started.pid)
    started.send(signal.SIGKILL)
    started.wait()
    deadline = time.monotonic() + 10
    while any(map(alive, children)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_scratch_that_is_removed_ends_the_run_in_one_line(warm: Warm, root: Path) -> None:
    tiny.set_params(root, epochs="500", checkpoint_every="1000")
    started = warm.start(root, REPRISE_WORKERS="1")
    wait_for_step(root, 2)
    shutil.rmtree(root / ".reprise")
    code, said = started.wait(60)
    assert code == 2, said
    assert re.fullmatch(
        r"finetune: error: \.reprise/\w+/\w+\.tsv: its folder was removed while the stage ran; start it again\n", said
    )
    assert not (root / "models/finetuned").exists()


def test_a_second_run_in_the_same_folder_is_refused(warm: Warm, root: Path) -> None:
    tiny.set_params(root, epochs="500")
    first = warm.start(root, REPRISE_WORKERS="1")
    lock = root / ".reprise/finetune.lock"
    deadline = time.monotonic() + 60
    while not lock.is_file() or not lock.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    code, said = warm.run(root)
    first.send(signal.SIGKILL)
    first.wait()
    assert code == 2
    assert said.startswith(f"finetune: error: finetune is already running in this folder (process {first.pid})")


def test_other_params_do_not_go_on_from_a_checkpoint(warm: Warm, root: Path) -> None:
    started = warm.start(root, REPRISE_WORKERS="1")
    wait_for_step(root, 7)  # two checkpoints or more
    started.send(signal.SIGKILL)
    started.wait()
    tiny.set_params(root, seed="2")
    assert warm.run(root) == (0, "")


def test_an_edit_of_the_stage_itself_makes_another_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load(finetune.Params, root / "params.yaml")
    read = [root / name for name in ("data/tokens", "models/base", "models/teacher")]
    digest = finetune.run_digest(params, *read)
    edited = root / "edited.py"
    edited.write_bytes(Path(finetune.__file__).read_bytes() + b"# edited\n")
    monkeypatch.setattr(finetune, "__file__", str(edited))
    assert finetune.run_digest(params, *read) != digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overrides": "{hiden_act: relu}"}, "hiden_act: no field of a bert config (nearest: 'hidden_act'"),
        ({"overrides": "{num_hidden_layers: 3}"}, "or set model.init: random to draw all weights"),
        ({"overrides": "{hidden_size: 32}"}, "model.init: random"),
        ({"overrides": "{hidden_act: rela}"}, "rela"),
        ({"tuning": "{name: frozen, layers: 3}"}, "train.tuning.layers: found 3, wanted at most the model's 2 layers"),
        ({"tuning": "{name: bitfit, only: [querry]}"}, "'querry' is in the name of no bias"),
        ({"batch_size": "10"}, "params.yaml, line 11: train: batch_size 10 is not a multiple of shard_size 4"),
        ({"lr": "fast"}, 'train.lr: found "fast"'),
        ({"best_metric": "f1"}, "train.best_metric"),
    ],
)  # fmt: skip
def test_bad_params_are_refused(root: Path, changes: dict[str, str], message: str) -> None:
    tiny.set_params(root, **changes)
    with pytest.raises(InputError, match=re.escape(message)):
        tiny.run_here(root)
    assert not (root / "models/finetuned").exists()
    assert not (root / "metrics").exists()


def test_divergence_is_told_at_its_step(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "losses", lambda _, forward, head, part: forward().sum(1) * 1e38)
    with pytest.raises(InputError, match=r"step 1: the loss is .*: training diverged; lower train.lr"):
        tiny.run_here(root)


def test_a_refusal_of_the_command_is_one_line_and_code_2(warm: Warm, root: Path) -> None:
    tiny.set_params(root, overrides="{hiden_act: relu}")
    code, said = warm.run(root, REPRISE_WORKERS="2")
    assert code == 2
    assert said.startswith(
        "finetune: error: model.overrides.hiden_act: no field of a bert config (nearest: 'hidden_act'"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"REPRISE_WORKERS": "3"}, "REPRISE_WORKERS: found '3', wanted a power of two from 1 to 3"),
        ({"REPRISE_WORKERS": "4"}, "REPRISE_WORKERS: found '4', wanted a power of two from 1 to 3"),
        ({"REPRISE_WORKERS": "two"}, "REPRISE_WORKERS: found 'two'"),
    ],
)
def test_a_wrong_number_of_workers_is_refused(root: Path, environment: dict[str, str], message: str) -> None:
    code, said = tiny.run(root, **environment)
    assert code == 2
    assert message in said


OTHER_WAYS = [
    {"overrides": "{hidden_act: relu, num_hidden_layers: 1}"},
    {
        "overrides": "{hidden_size: 8, num_hidden_layers: 3}", "init": "random",
        "seed_streams": "{split: null, init: 9, order: 9, dropout: 9, augment: 9}",
    },
    {"tuning": "{name: frozen, layers: 1}", "objective": "{name: smoothed, smoothing: 0.2}"},
    {"tuning": "{name: bitfit}", "class_weights": "balanced", "schedule": "cosine"},
    {"evaluate_every": "2", "early_stopping": "{patience: 1, min_delta: 10.0}", "best_metric": "macro_f1"},
]  # fmt: skip


@pytest.fixture(scope="module")
def by_two_workers(warm: Warm, built: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return for each of OTHER_WAYS the folder in which two workers have trained that way."""
    folder = tmp_path_factory.mktemp("two")
    roots = [Path(shutil.copytree(built, folder / str(i), symlinks=True)) for i in range(len(OTHER_WAYS))]
    for root, changes in zip(roots, OTHER_WAYS, strict=True):
        tiny.set_params(root, **changes)
        code, said = warm.run(root, REPRISE_WORKERS="2")
        assert (code, said.count("left out of the base's weights")) == (0, "num_hidden_layers: 1" in str(changes))
    return roots


@pytest.mark.parametrize("way", range(len(OTHER_WAYS)))
def test_other_ways_to_train_are_as_exact(root: Path, by_two_workers: list[Path], way: int) -> None:
    changes = OTHER_WAYS[way]
    tiny.set_params(root, **changes)
    tiny.run_here(root)
    said = read_json(root / "metrics/finetune.json")
    assert said["stopped_early"] is ("early_stopping" in changes)
    assert (said["learning_parameters"] < said["parameters"]) is ("tuning" in changes)
    assert tiny.outputs(root) == tiny.outputs(by_two_workers[way])


def test_run_as_a_script_it_says_how(root: Path) -> None:
    import subprocess
    import sys

    process = subprocess.run([sys.executable, "stages/finetune.py"], cwd=root, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (2, "run me as: python -m stages.finetune\n")


def test_an_edit_while_it_runs_is_refused_and_its_checkpoints_serve_the_old_values_alone(
    warm: Warm, root: Path
) -> None:
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(tiny.ROOT / name, root / name)
    tiny.set_params(root, epochs="4")
    started = warm.start(root, REPRISE_WORKERS="2")
    wait_for_step(root, 1)
    tiny.set_params(root, epochs="4", lr="2e-2")
    code, said = started.wait()
    assert (code, said.splitlines()[-1].partition(". ")[0]) == (
        2,
        "finetune: error: changed while the stage ran: train.lr of params.yaml (from 0.01 to 0.02)",
    )
    assert not (root / "models/finetuned").exists()
    trace = "metrics/finetune/trace.tsv"
    kept = (root / ".reprise/refused/finetune" / trace).read_bytes()
    assert warm.run(root, REPRISE_WORKERS="1") == (0, "")
    assert (root / trace).read_bytes() != kept
    tiny.set_params(root, epochs="4")
    assert warm.run(root, REPRISE_WORKERS="1") == (0, "finetune: goes on from step 24\n")
    assert (root / trace).read_bytes() == kept


def test_an_edit_while_it_starts_is_refused_before_it_computes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is digested for the checkpoints could be another thing than what was imported and decoded."""
    import torch

    from stages.repro.group import Alone

    monkeypatch.chdir(root)
    shutil.copy(tiny.ROOT / "dvc.yaml", root)
    inputs, params = graph.inputs("finetune"), load(finetune.Params)
    (root / "models/base/config.json").write_text("{}")
    folders = Path("data/tokens"), Path("models/base"), Path("models/teacher"), Path("models/finetuned")
    with pytest.raises(InputError, match=r"^changed while the stage was starting: models/base/config\.json\. Nothing"):
        finetune.finetune(
            params,
            Alone(torch.device("cpu")),
            *folders,
            Path("metrics/finetune.json"),
            Path("metrics/finetune"),
            inputs,
        )
