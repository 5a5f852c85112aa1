"""The folder of a release: the model's files, the evidence of the run, every record, the manifest, the signature."""

from __future__ import annotations

import shutil
from pathlib import Path

from stages.core.errors import InputError
from stages.releasing import bom, card, checklists, codecheck, crate, croissant, manifest, provenance, signature
from stages.releasing.facts import CERTIFICATE, MODEL, Facts
from stages.repro.digests import of_folder
from stages.verification.plan import md5

REPRODUCTION = "reproduction.json"
RECORDS = {
    card.NAME: "this model card",
    croissant.NAME: "data card, Croissant 1.1",
    crate.NAME: "the run, Provenance Run Crate 0.5",
    provenance.NAME: "SLSA provenance v1, an in-toto statement",
    bom.NAME: "bill of materials, CycloneDX 1.6",
    checklists.NAME: "REFORMS and NeurIPS checklists, answered from the run",
    codecheck.NAME: "configuration of a CODECHECK",
    REPRODUCTION: "certificate of the verification, an in-toto statement",
    manifest.MANIFEST: "SHA-256 of every file",
    manifest.SIGNATURE: "OpenSSF model signature",
}


def vacant(folder: Path) -> None:
    """Raise InputError unless `folder` is absent or an empty folder."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()) or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is not empty: name another folder, or empty it")


def write(facts: Facts, folder: Path, key: Path | None) -> None:
    """Fill `folder`, which is absent; sign it when there is a key. Raises InputError where dvc.lock has other bytes."""
    source = facts.root / MODEL
    shutil.copytree(source, folder)
    if (found := md5(folder)) != (stated := facts.locked["finetune"].outs[MODEL]):
        raise InputError(f"{MODEL}: has the MD5 {found}, dvc.lock has {stated}: dvc checkout --force {MODEL} mends it")
    model = of_folder(folder)
    if taken := sorted(model.keys() & RECORDS.keys()):
        raise InputError(f"{MODEL}/{taken[0]}: a record of the release has this name")
    for name, content in facts.texts.items():
        _put(folder, f"run/{name}", content)
    if facts.certificate is not None:
        _put(folder, REPRODUCTION, (facts.root / CERTIFICATE).read_bytes())
    for name, text in {
        croissant.NAME: croissant.text(facts), provenance.NAME: provenance.text(facts, model),
        bom.NAME: bom.text(facts, model), checklists.NAME: checklists.text(facts),
        codecheck.NAME: codecheck.text(facts),
    }.items():  # fmt: skip
        _put(folder, name, text.encode())
    _put(folder, card.NAME, card.text(facts, _described(folder, key)).encode())
    _put(folder, crate.NAME, crate.text(facts, of_folder(folder)).encode())
    manifest.write(folder)
    if key is not None:
        signature.sign(folder, key)


def _described(folder: Path, key: Path | None) -> dict[str, str]:
    """Return {file: what it is} of what the folder holds and will hold."""
    coming = {card.NAME, crate.NAME, manifest.MANIFEST, *([manifest.SIGNATURE] if key else [])}
    found = {
        name: RECORDS.get(name, "of the run" if name.startswith("run/") else "of the model")
        for name in of_folder(folder)
    }
    return found | {name: RECORDS[name] for name in coming}


def _put(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
