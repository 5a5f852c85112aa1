"""Curves: flushed at every line, and taken up again only where they are sound."""

from __future__ import annotations

from pathlib import Path

from stages.training.curves import Curve, intact


def test_lines_are_in_both_files_at_once(tmp_path: Path) -> None:
    live, kept = tmp_path / "live" / "c.tsv", tmp_path / "kept" / "c.tsv"
    curve = Curve(live, kept, ("step", "loss"), None)
    curve.append("1\t0.5\n")
    assert live.read_text() == kept.read_text() == "step\tloss\n1\t0.5\n"


def test_taken_up_at_its_mark(tmp_path: Path) -> None:
    live, kept = tmp_path / "l.tsv", tmp_path / "k.tsv"
    curve = Curve(live, kept, ("step",), None)
    curve.append("1\n")
    mark = curve.mark()
    curve.append("2\n")
    again = Curve(live, kept, ("step",), intact(kept, mark))
    again.append("2\n")
    assert live.read_text() == kept.read_text() == "step\n1\n2\n"
    assert again.mark() == curve.mark()


def test_a_changed_or_missing_file_is_not_intact(tmp_path: Path) -> None:
    kept = tmp_path / "k.tsv"
    mark = Curve(tmp_path / "l.tsv", kept, ("step",), None).mark()
    assert intact(kept, mark) == b"step\n"
    kept.write_bytes(b"stap\n")
    assert intact(kept, mark) is None
    kept.write_bytes(b"st")
    assert intact(kept, mark) is None
    kept.unlink()
    assert intact(kept, mark) is None
