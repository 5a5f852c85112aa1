"""All commands alike: how they begin, and their help."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("download", "preprocess", "tokenize", "finetune", "evaluate")
COMMANDS = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if "__package__" in path.read_text("utf-8"))


def ended(name: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr("sys.argv", [name, argument])
    with pytest.raises(SystemExit) as left:
        importlib.import_module(f"stages.{name}").main()
    return left.value.code


def test_the_commands() -> None:
    assert set(STAGES) < set(COMMANDS)
    assert {"params", "recipe", "verify", "predict", "results"} < set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_the_docstring(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(name, "--help", monkeypatch) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"usage: python -m stages.{name} ")
    assert str(importlib.import_module(f"stages.{name}").__doc__).strip() in out


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_takes_no_arguments(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended(name, "now", monkeypatch) == 2
    more = {"tokenize": " [--preview ROWS]", "preprocess": " [--show-augmentation N]"}.get(name, "")
    assert capsys.readouterr() == (
        "", f"usage: python -m stages.{name} [-h]{more}\npython -m stages.{name}: error: unrecognized arguments: now\n"
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_covered_before_it_imports_the_rest(name: str) -> None:
    body = ast.parse((ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8")).body
    kinds = [node for node in body if not isinstance(node, ast.Expr)]  # but the docstring
    assert [ast.unparse(node).partition("\n")[0] for node in kinds[:4]] == [
        "from __future__ import annotations",
        "if not __package__:",
        "from stages.core import cli",
        "if __name__ == '__main__':",
    ]
    assert ast.unparse(kinds[3]).endswith(f"    cli.begin('{name}')")
