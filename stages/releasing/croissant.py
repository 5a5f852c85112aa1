"""The data card: Croissant 1.1 with the fields of its Responsible AI vocabulary (RAI 1.0) and PROV-O.

Source archives, the clean Parquet files of each split and their rows. A release holds no data: the Parquet files come
out of the pipeline in data/clean, and mlcroissant loads them from there.
"""

from __future__ import annotations

from typing import Any

from stages.core.files import canonical_json
from stages.releasing.facts import CLEAN, NOT_STATED, Facts, Table
from stages.releasing.sources import Source, slug

NAME = "croissant.json"
CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_TYPES = {  # Arrow -> Croissant
    "int": "sc:Integer", "uint": "sc:Integer", "float": "sc:Float", "double": "sc:Float", "bool": "sc:Boolean",
}  # fmt: skip


def text(facts: Facts) -> str:
    """Return the card as JSON-LD."""
    from mlcroissant import Context
    from mlcroissant._src.core.context import CroissantVersion

    context = dict(Context(conforms_to=CroissantVersion.V_1_1).rdf.context)
    context["prov"] = "http://www.w3.org/ns/prov#"
    return canonical_json(
        {
            "@context": context,
            "@type": "sc:Dataset",
            "conformsTo": CONFORMS,
            "name": slug(facts.name),
            "description": _description(facts),
            "license": sorted({one.licence or NOT_STATED for one in facts.data}),
            "url": facts.repository or f"urn:git:{facts.commit}",
            "version": f"1.0.0+{facts.commit[:12]}",
            "datePublished": facts.date.strftime("%Y-%m-%dT%H:%M:%S"),
            "creator": [{"@type": "sc:Organization", "name": name} for name in authors(facts)],
            "citeAs": str(facts.citation.get("title", facts.name)),
            "distribution": [*map(_source, facts.data), *map(_file, facts.tables)],
            "recordSet": [_rows(facts, table) for table in facts.tables],
            **_responsible(facts),
            "prov:wasDerivedFrom": [{"@id": one.address, "prov:label": one.name} for one in facts.data],
            "prov:wasGeneratedBy": {
                "@type": "prov:Activity", "@id": f"urn:uuid:{facts.uuid('preprocess')}",
                "prov:label": facts.locked["preprocess"].command,
            },
        }
    )  # fmt: skip


def authors(facts: Facts) -> list[str]:
    """Return the names of those that CITATION.cff lists."""
    found = []
    for one in facts.citation.get("authors") or ():
        parts = (one.get("given-names"), one.get("name-particle"), one.get("family-names"))
        found.append(str(one.get("name") or " ".join(str(part) for part in parts if part)))
    return found


def _description(facts: Facts) -> str:
    rows = ", ".join(f"{table.rows} {table.split}" for table in facts.tables)
    return (
        f"Rows as {facts.name} learnt from them: {rows}. Cleaned and split by "
        f"`{facts.locked['preprocess'].command}` of commit {facts.commit}. The files are not handed over: "
        f"`make repro` writes them to {CLEAN}/."
    )


def _source(one: Source) -> dict[str, Any]:
    found = {
        "@type": "cr:FileObject", "@id": slug(one.name), "name": slug(one.name), "contentUrl": one.address,
        "description": f"source of the rows; licence: {one.licence or NOT_STATED}",
        "encodingFormat": "application/octet-stream",
    }  # fmt: skip
    # Croissant wants a digest; a source pinned by a commit alone has none of its bytes.
    return found | ({"sha256": one.sha256} if one.sha256 else {"md5": "not stated: pinned by its revision"})


def _file(table: Table) -> dict[str, Any]:
    name = table.path.rpartition("/")[2]
    return {
        "@type": "cr:FileObject", "@id": f"{table.split}-file", "name": f"{table.split}-file",
        "description": f"written by preprocess to {table.path}", "contentUrl": name,
        "contentSize": f"{table.size} B", "encodingFormat": "application/x-parquet", "sha256": table.sha256,
    }  # fmt: skip


def _rows(facts: Facts, table: Table) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet", "@id": table.split, "name": table.split,
        "description": f"{table.rows} rows of the {table.split} split",
        "key": {"@id": f"{table.split}/id"},
        "field": [_field(table.split, name, kind) for name, kind in table.columns.items()],
    }  # fmt: skip


def _field(split: str, name: str, kind: str) -> dict[str, Any]:
    repeated = kind.startswith(("list", "large_list", "fixed_size_list"))
    inner = kind.partition(": ")[2].rstrip(">").removesuffix(" not null") if repeated else kind
    found = {
        "@type": "cr:Field", "@id": f"{split}/{name}", "name": name, "description": f"column {name}, {kind}",
        "dataType": next((own for start, own in _TYPES.items() if inner.startswith(start)), "sc:Text"),
        "source": {"fileObject": {"@id": f"{split}-file"}, "extract": {"column": name}},
    }  # fmt: skip
    return found | ({"isArray": True, "arrayShape": "-1"} if repeated else {})


def _responsible(facts: Facts) -> dict[str, Any]:
    """Return the core fields of RAI 1.0 that the run answers; of the others it says that nobody has."""
    data = facts.params["data"]
    dropped = {split: {why: n for why, n in own.items() if n} for split, own in facts.counts["dropped"].items()}
    told = "; ".join(f"{s}: {', '.join(f'{n} {why}' for why, n in sorted(o.items()))}" for s, o in dropped.items() if o)
    policies = [f"{key}: {data[key]}" for key in ("empty", "duplicates", "conflicts", "leakage") if key in data]
    names = ", ".join(one.name for one in facts.data)
    return {
        "rai:dataCollection": f"Taken from {names}; how it was collected is {NOT_STATED}.",
        "rai:dataPreprocessingProtocol": policies,
        "rai:dataManipulationProtocol": f"Rows dropped: {told or 'none'}.",
        "rai:dataAnnotationProtocol": ["The answers are those of the source."],
        "rai:dataUseCases": [f"Fine-tuning and scoring of {facts.params['target']['name']}."],
        "rai:dataLimitations": [NOT_STATED],
        "rai:dataBiases": [NOT_STATED],
        "rai:personalSensitiveInformation": [NOT_STATED],
        "rai:dataSocialImpact": NOT_STATED,
    }
