"""The run as a Workflow Run RO-Crate (Provenance Run Crate 0.5): dvc.yaml, the stages of dvc.lock, inputs and outputs.

What a stage read or wrote and the release does not hold is described by its path and the digest of dvc.lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.core.files import canonical_json
from stages.core.shown import plain
from stages.project import lock
from stages.releasing.croissant import authors
from stages.releasing.facts import MODEL, Facts
from stages.releasing.sources import slug

NAME = "ro-crate-metadata.json"
WORKFLOW = "run/dvc.yaml"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_VERSIONS = {"https://w3id.org/workflowhub/workflow-ro-crate/1.0": "1.0"}
_KINDS = {bool: "Boolean", int: "Integer", float: "Float"}


def text(facts: Facts, files: Mapping[str, str]) -> str:
    """Return the metadata file. files: {name: SHA-256} of all else in the release."""
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append("https://w3id.org/ro/terms/workflow-run/context")
    maker = _Maker(crate, facts)
    maker.root(files)
    maker.workflow()
    for position, name in enumerate(lock.ordered(facts.locked), start=1):
        maker.stage(name, str(position))
    maker.run()
    return canonical_json(crate.metadata.generate())


class _Maker:
    """Adds the entities of one crate."""

    def __init__(self, crate: Any, facts: Facts) -> None:
        self.crate, self.facts = crate, facts
        self.agents = [self.entity(f"#{slug(name)}", "Organization", name=name) for name in authors(facts)]
        self.things: dict[str, Any] = {}
        self.runs: list[Any] = []
        self.controls: list[Any] = []
        self.tools: list[Any] = []
        self.steps: list[Any] = []

    def entity(self, id_: str, kind: str | list[str], **properties: Any) -> Any:
        """Add an entity that is no file of the crate."""
        from rocrate.model.contextentity import ContextEntity

        return self.crate.add(ContextEntity(self.crate, id_, properties={"@type": kind, **properties}))

    def root(self, files: Mapping[str, str]) -> None:
        """Describe the folder and its files."""
        from rocrate.model.data_entity import DataEntity

        root, facts = self.crate.root_dataset, self.facts
        root["name"], root["datePublished"] = facts.name, facts.date.isoformat()
        root["description"] = f"A model and the run that made it, commit {facts.commit}"
        root["license"] = facts.code_licence
        root["author"] = self.agents
        root["conformsTo"] = [
            self.entity(id_, "CreativeWork", name=name, version=_VERSIONS.get(id_, "0.5"))
            for id_, name in PROFILES.items()
        ]
        self.crate.metadata["conformsTo"] = [
            {"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}
        ]  # fmt: skip
        for name, digest in sorted(files.items()):
            kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"] if name == WORKFLOW else "File"
            properties = {"@type": kinds, "name": name, "sha256": digest}
            self.things[name] = self.crate.add(DataEntity(self.crate, name, properties=properties))

    def workflow(self) -> None:
        """Describe dvc.yaml and what runs it."""
        language = self.entity("#dvc-yaml", "ComputerLanguage", name="dvc.yaml", url={"@id": "https://dvc.org/"})
        main = self.things[WORKFLOW]
        main["programmingLanguage"] = language
        self.crate.root_dataset["mainEntity"] = main
        version = self.facts.metrics("environment").get("finetune", {}).get("packages", {}).get("dvc", "not stated")
        self.engine = self.entity("#dvc", "SoftwareApplication", name="DVC", version=version)

    def stage(self, name: str, position: str) -> None:
        """Describe a stage: its command, its step of the workflow, and that it ran."""
        entry = self.facts.locked[name]
        read = [self._thing(path, md5) for path, md5 in sorted(entry.deps.items())]
        written = [self._thing(path, md5) for path, md5 in sorted(entry.outs.items())]
        values = [self._value(key, value) for key, value in sorted(entry.params.items())]
        tool = self.entity(f"#tool-{name}", "SoftwareApplication", name=entry.command, version=self.facts.commit)
        tool["input"] = [value["exampleOfWork"] for value in values]
        step = self.entity(f"#step-{name}", "HowToStep", name=name, position=position, workExample=tool)
        run = self.entity(
            f"#run-{name}", "CreateAction", name=f"run of {name}", instrument=tool, object=[*read, *values],
            result=written, agent=self.agents, actionStatus="http://schema.org/CompletedActionStatus",
        )  # fmt: skip
        control = self.entity(
            f"#control-{name}", "ControlAction", name=f"execution of {name}", instrument=step, object=run
        )
        self.tools.append(tool)
        self.steps.append(step)
        self.runs.append(run)
        self.controls.append(control)

    def run(self) -> None:
        """Describe the whole run."""
        main = self.things[WORKFLOW]
        main["hasPart"], main["step"] = self.tools, self.steps
        outside = [self._thing(path, md5) for path, md5 in self.facts.outside().items()]
        values = [self.crate.dereference(f"#value-{key}") for key in sorted(lock.params(self.facts.locked))]
        main["input"] = [value["exampleOfWork"] for value in values]
        whole = self.entity(
            "#run", "CreateAction", name="dvc repro", instrument=main, object=[*outside, *values],
            result=[self._thing(path, md5) for path, md5 in sorted(lock.outputs(self.facts.locked).items())],
            agent=self.agents, actionStatus="http://schema.org/CompletedActionStatus",
        )  # fmt: skip
        self.entity(
            "#engine-run", "OrganizeAction", name="run of DVC", instrument=self.engine, object=self.controls,
            result=whole, agent=self.agents,
        )  # fmt: skip
        self.crate.root_dataset["mentions"] = [whole, *self.runs]

    def _thing(self, path: str, md5: str) -> Any:
        """Return what stands for a path of dvc.lock."""
        if path not in self.things:
            digest = self.entity(
                f"#md5-{path}", "PropertyValue", name=f"MD5 in dvc.lock of {path}", propertyID="md5", value=md5
            )
            where = "the model files of this folder" if path == MODEL else f"{path} of the repository"
            self.things[path] = self.entity(
                f"#path-{path}", "CreativeWork", name=path, description=where, identifier=digest
            )
        return self.things[path]

    def _value(self, key: str, value: Any) -> Any:
        """Return the value of a param, which stands in one entity however many stages read it."""
        known = self.crate.dereference(f"#value-{key}")
        if known is not None:
            return known
        kind = _KINDS.get(type(value), "Text")
        parameter = self.entity(f"#param-{key}", "FormalParameter", name=key, additionalType=kind)
        return self.entity(f"#value-{key}", "PropertyValue", name=key, value=plain(value), exampleOfWork=parameter)
