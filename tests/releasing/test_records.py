"""Each record against its own format's validator, and one changed so that it refuses."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from huggingface_hub import ModelCard
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from stages.releasing import bom, card, crate, croissant, provenance
from stages.releasing.facts import Facts
from stages.repro.digests import of_file
from tests.releasing.project import ROWS

DIGEST = "ab" * 32
MODEL = {"config.json": DIGEST, "model.safetensors": DIGEST}
FILES = {**MODEL, "run/dvc.yaml": DIGEST}


def test_the_bom_is_cyclonedx(known: Facts) -> None:
    text = bom.text(known, MODEL)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    held = json.loads(text)
    assert held["metadata"]["component"]["type"] == "machine-learning-model"
    names = {one["name"]: one for one in held["components"]}
    assert len([one for one in held["components"] if one["type"] == "library"]) == len(bom.pins(known))
    assert names["numpy"]["licenses"]
    held["components"][0]["type"] = "no such type"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(held)) is not None


def test_the_provenance_is_slsa_in_in_toto(known: Facts) -> None:
    held = json.loads(provenance.text(known, MODEL))
    whole = json_format.ParseDict(held, statement_pb2.Statement())
    found = Statement.copy_from_pb(whole)
    found.validate()
    predicate = json_format.ParseDict(held["predicate"], Provenance())
    names = [one.name for one in predicate.build_definition.resolved_dependencies]
    assert set(known.outside()) <= set(names)
    assert "stages/finetune.py" in names
    assert "data/clean" not in names
    held["predicate"]["buildDefinition"]["resolvedDependency"] = []
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(held["predicate"], Provenance())


@pytest.mark.filterwarnings("ignore")
def test_croissant_validates_and_loads_the_rows(known: Facts, made: Path, tmp_path: Path) -> None:
    import mlcroissant

    text = croissant.text(known)
    folder = Path(shutil.copytree(made / "data/clean", tmp_path / "clean"))
    (folder / croissant.NAME).write_text(text)
    loaded = mlcroissant.Dataset(jsonld=folder / croissant.NAME)
    assert loaded.metadata.ctx.issues.errors == set()
    for split, rows in ROWS.items():
        records = list(loaded.records(split))
        assert [record[f"{split}/id"] for record in records] == list(range(len(rows)))
        assert [(record[f"{split}/text"].decode(), record[f"{split}/label"]) for record in records] == rows
    held = json.loads(text)
    del held["distribution"][0]["contentUrl"]
    with pytest.raises(mlcroissant.ValidationError):
        mlcroissant.Dataset(jsonld=held)


def test_the_card_comes_back_from_its_metadata(known: Facts) -> None:
    text = card.text(known, {"config.json": "of the model"})
    read = ModelCard(text)
    assert read.data.to_dict() == card.metadata(known).to_dict()
    assert read.data.eval_results is not None
    values = {one.metric_name: one.metric_value for one in read.data.eval_results}
    assert values == {"macro_f1": 0.75, "accuracy": 0.875, "log_loss": 0.25}
    assert "| accuracy | 0.875 | 0.75 – 0.9375 |" in text
    assert "| ece | undefined |  |" in text
    assert "A \\<processor>" in text
    assert "not stated" in text
    with pytest.raises(ValueError, match="Invalid `model_index`"):
        ModelCard(text.replace("    dataset:\n", "    data:\n", 1), ignore_metadata_errors=False)


def entities(known: Facts) -> dict[str, Any]:
    return {one["@id"]: one for one in json.loads(crate.text(known, FILES))["@graph"]}


def faults(held: dict[str, Any]) -> list[str]:
    """Return where a crate breaks what Provenance Run Crate 0.5 says MUST be, of which its text is followed here."""

    def of(kind: str) -> list[Any]:
        return [
            one for one in held.values() if kind in ([one["@type"]] if isinstance(one["@type"], str) else one["@type"])
        ]

    def kinds(reference: Any) -> set[str]:
        listed = reference if isinstance(reference, list) else [reference]
        found: set[str] = set()
        for one in listed:
            kind = held.get(one["@id"], {}).get("@type", "dangling")
            found |= {kind} if isinstance(kind, str) else set(kind)
        return found

    wanted = [
        ("HowToStep", "workExample", {"SoftwareApplication"}), ("ControlAction", "instrument", {"HowToStep"}),
        ("ControlAction", "object", {"CreateAction"}), ("OrganizeAction", "instrument", {"SoftwareApplication"}),
        ("OrganizeAction", "object", {"ControlAction"}), ("OrganizeAction", "result", {"CreateAction"}),
        ("PropertyValue", "exampleOfWork", {"FormalParameter"}), ("ComputationalWorkflow", "step", {"HowToStep"}),
        ("ComputationalWorkflow", "hasPart", {"SoftwareApplication"}),
        ("ComputationalWorkflow", "programmingLanguage", {"ComputerLanguage"}),
    ]  # fmt: skip
    found = [
        f"{one['@id']}: {key}"
        for kind, key, allowed in wanted
        for one in of(kind)
        if (key in one or key != "exampleOfWork") and kinds(one.get(key, {"@id": ""})) != allowed
    ]
    found += [f"{one['@id']}: additionalType" for one in of("FormalParameter") if "additionalType" not in one]
    found += [f"{one['@id']}: instrument" for one in of("CreateAction") if "instrument" not in one]
    profiles = {one["@id"] for one in held["./"]["conformsTo"]}
    found += [] if "https://w3id.org/ro/wfrun/provenance/0.5" in profiles else ["./: conformsTo"]
    return found


def test_the_crate_is_a_provenance_run_crate(known: Facts) -> None:
    held = entities(known)
    assert faults(held) == []
    assert held["./"]["mainEntity"] == {"@id": "run/dvc.yaml"}
    assert [held[f"#step-{name}"]["position"] for name in known.locked] == ["1", "2", "3", "4", "5"]
    assert held["#md5-models/finetuned"]["value"] == known.locked["finetune"].outs["models/finetuned"]
    assert held["#value-seed"]["value"] == str(known.params["seed"])
    del held["#control-finetune"]["object"]
    assert faults(held) == ["#control-finetune: object"]


@pytest.mark.filterwarnings("ignore")
def test_croissant_loads_columns_of_lists(known: Facts, tmp_path: Path) -> None:
    import mlcroissant

    path = tmp_path / "train.parquet"
    parquet.write_table(pa.table({"id": pa.array([0], pa.int64()), "words": [["a", "gull"]], "tags": [[0, 2]]}), path)
    kinds = {field.name: str(field.type) for field in parquet.read_schema(path)}
    table = dataclasses.replace(known.tables[0], columns=kinds, sha256=of_file(path))
    (tmp_path / croissant.NAME).write_text(croissant.text(dataclasses.replace(known, tables=(table,))))
    (record,) = mlcroissant.Dataset(jsonld=tmp_path / croissant.NAME).records("train")
    assert [word.decode() for word in record["train/words"]] == ["a", "gull"]
    assert list(record["train/tags"]) == [0, 2]
