"""The ML-BOM: CycloneDX 1.6 with the model, its base, the data and every package of requirements.lock."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from stages.core.files import canonical_json
from stages.releasing.facts import Facts
from stages.releasing.sources import Source

NAME = "bom.cdx.json"
_PIN = re.compile(r"([\w.-]+)==(\S+)")
_LONGEST = 64  # characters of a licence's name; some packages put its whole text there


def text(facts: Facts, model: Mapping[str, str]) -> str:
    """Return the BOM. model: {file: SHA-256} of the released model."""
    import json

    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    files = [
        Component(name=name, type=ComponentType.FILE, bom_ref=f"file:{name}", hashes=_sha256(digest))
        for name, digest in sorted(model.items())
    ]
    main = Component(
        name=facts.name, version=facts.commit, type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref="model",
        components=files, properties=_properties(facts),
    )  # fmt: skip
    base = [_source(one, ComponentType.MACHINE_LEARNING_MODEL, "base") for one in facts.base]
    data = [_source(one, ComponentType.DATA, "data") for one in facts.data]
    packages = [_package(*pin) for pin in pins(facts)]
    parts = [*base, *data, *packages]
    bom = Bom(
        components=parts, serial_number=UUID(facts.uuid("bom")),
        metadata=BomMetaData(component=main, timestamp=facts.date),
        dependencies=[Dependency(main.bom_ref, [Dependency(part.bom_ref) for part in parts]),
                      *(Dependency(part.bom_ref) for part in parts)],
    )  # fmt: skip
    return canonical_json(json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()))


def pins(facts: Facts) -> list[tuple[str, str]]:
    """Return (name, version) of every package of requirements.lock."""
    return _PIN.findall(re.sub("(?m)^#.*", "", facts.texts["requirements.lock"].decode()))


def _sha256(digest: str) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType

    return [HashType(alg=HashAlgorithm.SHA_256, content=digest)]


def _properties(facts: Facts) -> Any:
    from cyclonedx.model import Property

    told = {
        "reprise:input": facts.params["input"]["name"],
        "reprise:target": facts.params["target"]["name"],
        "reprise:dvc.lock:sha256": facts.lock_digest,
    }
    return [Property(name=name, value=value) for name, value in told.items()]


def _source(one: Source, kind: Any, role: str) -> Any:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    purl = PackageURL.from_string(one.address) if one.address.startswith("pkg:") else None
    elsewhere = [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(one.address))]
    return Component(
        name=one.name, version=one.revision, type=kind, bom_ref=f"{role}:{one.name}", purl=purl,
        external_references=elsewhere, hashes=_sha256(one.sha256) if one.sha256 else (),
        licenses=_licences([one.licence] if one.licence else []),
    )  # fmt: skip


def _package(name: str, version: str) -> Any:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    return Component(
        name=name, version=version, type=ComponentType.LIBRARY, bom_ref=f"package:{name}",
        purl=PackageURL("pypi", name=name.lower().replace("_", "-"), version=version),
        licenses=_licences(_stated(name, version)),
    )  # fmt: skip


def _stated(name: str, version: str) -> list[str]:
    """Return the licences that the installed package states, none when another version is installed."""
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    if found.version.partition("+")[0] != version:
        return []
    metadata = found.metadata.json
    stated = str(metadata.get("license_expression") or metadata.get("license") or "").strip()
    if stated and stated != "UNKNOWN" and len(stated) <= _LONGEST and "\n" not in stated:
        return [stated]
    return sorted({c.rpartition(" :: ")[2] for c in metadata.get("classifier") or () if c.startswith("License ::")})


def _licences(stated: Iterable[str]) -> list[Any]:
    """Return licences as CycloneDX has them: an expression alone, or ids and names."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.license import LicenseExpression

    made = [LicenseFactory().make_from_string(one) for one in stated]
    return made if len(made) < 2 else [one for one in made if not isinstance(one, LicenseExpression)]
