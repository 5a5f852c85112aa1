"""Synonyms from files of WordNet."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.augmentation.wordnet import synonyms
from stages.core.errors import InputError
from tests.augmentation.wordnet import wordnet


def test_words_of_a_synset_are_synonyms(tmp_path: Path) -> None:
    found = synonyms(wordnet(tmp_path))
    assert found["car"] == ("auto", "motor_vehicle")
    assert found["motor_vehicle"] == ("auto", "car")
    assert found["aged"] == ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "old")  # 0a words, hexadecimal
    assert "gull" not in found  # alone in its synset


def test_a_word_of_several_senses_has_the_synonyms_of_all(tmp_path: Path) -> None:
    with (wordnet(tmp_path) / "data.verb").open("a", encoding="utf-8") as file:
        file.write("00000099 30 v 02 Captain 0 lead 0 000 01 + 08 00 | head\n")
    assert synonyms(tmp_path)["captain"] == ("chief", "lead")


def test_a_missing_file(tmp_path: Path) -> None:
    (wordnet(tmp_path) / "data.adv").unlink()
    with pytest.raises(InputError, match=rf"^{tmp_path}/data.adv: no such file: augmentation eda reads data.noun, "):
        synonyms(tmp_path)


@pytest.mark.parametrize(
    "line", ["00000042 05 n 03 car 0 auto 0", "00000042 05 n zz car 0 | x", "a, b", "1 2 n 00 | x"]
)
def test_a_line_that_is_no_synset(line: str, tmp_path: Path) -> None:
    (wordnet(tmp_path) / "data.noun").write_text(f"  1 ours\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        synonyms(tmp_path)
    assert str(caught.value) == f"{tmp_path}/data.noun, line 2: found {line!r}, wanted a synset of WordNet"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (wordnet(tmp_path) / "data.noun").write_bytes(b"00\xff")
    with pytest.raises(InputError, match=r"data.noun: not UTF-8 at byte 2, wanted a file of WordNet$"):
        synonyms(tmp_path)
