"""params.yaml decoded into frozen, typed values.

Each stage declares what it reads as a `Section` of sections; `load` gives it that and nothing else, so the declaration
is also what dvc.yaml must list (`dvc_keys`). A key that another stage reads is declared as `Elsewhere`: known, unseen.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from importlib import import_module
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from stages.core import yaml12
from stages.core.errors import InputError, nearest

PARAMS = Path("params.yaml")
SECTIONS = ("seed", "seed_streams", "input", "target", "data", "augmentation", "model", "tokenize", "train", "evaluate")
# Packages that hold nothing but a registry: adding a plug-in to one changes no stage.
ROOMS = ("augmentation", "averages", "formats", "inputs", "objectives", "regularisers", "sources", "targets", "tuning")
REGISTRIES = frozenset(f"stages.{room}" for room in ROOMS)
_ELSEWHERE = "read by another stage"
Elsewhere = Annotated[Any, _ELSEWHERE]


class Section(BaseModel):
    """A part of params.yaml: frozen, no conversions between types, no unknown keys, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


Model = TypeVar("Model", bound=Section)


@dataclass(frozen=True, eq=False)
class Choice:
    """A key that picks one plug-in of a registry: `{tag: NAME, **fields of that plug-in}`.

    registry: name -> "module:Class", a frozen dataclass. Only what a params file names is imported.
    """

    registry: Mapping[str, str]
    tag: str

    def chosen(self, tree: Any) -> Any:
        """Return the type of the key for what `tree` names: decoding gives an instance of that plug-in.

        A ValueError of its `__post_init__` becomes an error at the key.
        """
        name = tree.get(self.tag) if isinstance(tree, dict) else None
        if not isinstance(name, str) or name not in self.registry:
            return Annotated[Any, BeforeValidator(self._refuse)]
        return self._type(name)

    @cache  # noqa: B019  there are a few of them, and they last as long as the program
    def _type(self, name: str) -> Any:
        def build(found: Section) -> Any:
            plugin = imported(self.registry[name])
            return plugin(**{f.name: getattr(found, f.name) for f in dataclasses.fields(plugin)})

        return Annotated[self.member(name), AfterValidator(build)]

    def member(self, name: str) -> type[Section]:
        """Return the model of the fields of one plug-in."""
        plugin = imported(self.registry[name])
        hints = get_type_hints(plugin, include_extras=True)
        fields: dict[str, Any] = {self.tag: (Literal[name], ...)}
        for field in dataclasses.fields(plugin):
            default = field.default
            if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            fields[field.name] = (hints[field.name], ... if default is dataclasses.MISSING else default)
        doc = (plugin.__doc__ or "").strip().splitlines()[0:1]
        return create_model(plugin.__name__, __base__=Section, __doc__=" ".join(doc), **fields)

    def every(self) -> Any:
        """Return the type of the key for any plug-in of the registry; all of them are imported."""
        members = [self.member(name) for name in self.registry]
        return members[0] if len(members) == 1 else Annotated[reduce(or_, members), Field(discriminator=self.tag)]

    def _refuse(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            raise PydanticCustomError("mapping", "Input should be a mapping")
        context = {"discriminator": self.tag, "tag": str(tree.get(self.tag)), "expected_tags": ", ".join(self.registry)}
        kind: Any = "union_tag_invalid" if self.tag in tree else "union_tag_not_found"
        raise PydanticCustomError(kind, kind, context)


def choice(registry: Mapping[str, str], tag: str = "name") -> Any:
    """Return the type of a key that picks one plug-in of `registry`; see `Choice`."""
    return Annotated[Any, Choice(registry, tag)]


def imported(where: str) -> Any:
    """Return what stands at "module:Class"."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def name_of(registry: Mapping[str, str], plugin: Any) -> str:
    """Return the name by which `registry` has the class of `plugin`."""
    where = f"{type(plugin).__module__}:{type(plugin).__name__}"
    return next(name for name, known in registry.items() if known == where)


def options_of(registry: Mapping[str, str], plugin: Any) -> dict[str, Any]:
    """Return what params.yaml would say of `plugin`: its name, and the fields that are not their defaults."""
    held = {field.name: (getattr(plugin, field.name), field.default) for field in dataclasses.fields(plugin)}
    return {"name": name_of(registry, plugin), **{name: own for name, (own, usual) in held.items() if own != usual}}


def part_of(plugin: Any, part: str) -> Any:
    """Return another module of the folder in which `plugin`, a class or one of it, stands: head, metrics, report."""
    return import_module(f"{plugin.__module__.rpartition('.')[0]}.{part}")


def choice_of(field: FieldInfo) -> Choice | None:
    """Return the choice that a field holds, by itself or besides null."""
    within = [m for member in get_args(field.annotation) for m in getattr(member, "__metadata__", ())]
    return next((m for m in (*field.metadata, *within) if isinstance(m, Choice)), None)


def specialised(model: type[Model], tree: Any) -> type[Model]:
    """Return `model` with the type of every choice as `tree` names it: the same type for the same names."""
    narrowed: list[tuple[str, Any]] = []
    for name, field in model.model_fields.items():
        held = tree.get(name) if isinstance(tree, dict) else None
        inner = field.annotation
        found = choice_of(field)
        if found is not None:
            narrowed.append((name, None if held is None and inner is not Any else found.chosen(held)))
        elif isinstance(inner, type) and issubclass(inner, Section):
            section = specialised(inner, held)
            if section is not inner:
                narrowed.append((name, section))
    return _narrowed(model, tuple(narrowed)) if narrowed else model


@cache
def _narrowed(model: type[Model], types: tuple[tuple[str, Any], ...]) -> type[Model]:
    fields: dict[str, Any] = {}
    for name, kind in types:
        known = model.model_fields[name]
        fields[name] = (kind, FieldInfo(default=known.default, description=known.description))
    return create_model(model.__name__, __base__=model, **fields)


def load(model: type[Model], path: Path = PARAMS) -> Model:
    """Return what `model` declares of the params file. Raises InputError naming file, line, key, found and wanted."""
    tree, lines = yaml12.read(path)
    return decode(model, tree, lines, str(path))


def decode(model: type[Model], tree: Any, lines: Mapping[yaml12.KeyPath, int], name: str) -> Model:
    """Return `tree` (a parsed params file named `name`) as `model`; see `load`."""
    if not isinstance(tree, dict):
        raise InputError(f"{name}: found {_shown(tree)}, wanted sections: {', '.join(SECTIONS)}")
    for key in tree:
        if key not in SECTIONS:
            raise InputError(f"{_at(name, lines, (str(key),))}: unknown section{nearest(str(key), SECTIONS)}")
    for path in _references(tree):
        raise InputError(
            f"{_at(name, lines, path)}: holds ${{, which `dvc exp run -S` takes for a reference to another key: "
            "in a regular expression write [$]{"
        )
    view = {key: tree[key] for key in model.model_fields if key in tree}
    model = specialised(model, view)
    try:
        return model.model_validate_json(json.dumps(view))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise InputError("\n".join(_explain(p, model, view, lines, name) for p in problems)) from None


def _references(tree: Any, path: yaml12.KeyPath = ()) -> Iterator[yaml12.KeyPath]:
    """Yield the path of every text in `tree` that OmegaConf, by which DVC sets params, would try to resolve."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _references(value, (*path, str(key)))
    elif isinstance(tree, str) and "${" in tree:
        yield path


def dvc_keys(model: type[Section]) -> list[str]:
    """Return the keys dvc.yaml must list for a stage that reads `model`: a whole section, or its keys one by one."""
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if not (isinstance(inner, type) and issubclass(inner, Section)):
            keys.append(name)
        elif any(is_elsewhere(f) for f in inner.model_fields.values()):
            keys += [f"{name}.{key}" for key, f in inner.model_fields.items() if not is_elsewhere(f)]
        else:
            keys.append(name)
    return sorted(keys)


def is_elsewhere(field: Any) -> bool:
    """Tell whether a model's field is declared as read by another stage."""
    return _ELSEWHERE in field.metadata


def _at(name: str, lines: Mapping[yaml12.KeyPath, int], path: yaml12.KeyPath) -> str:
    known = path
    while known and known not in lines:
        known = known[:-1]
    line = f", line {lines[known]}" if known else ""
    return f"{name}{line}: {'.'.join(path)}" if path else f"{name}{line}"


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else f"{json.dumps(value, ensure_ascii=False)[:80]}"


def _explain(problem: Any, model: type[Section], view: Any, lines: Mapping[yaml12.KeyPath, int], name: str) -> str:
    """Say one pydantic error in a line: where, found, wanted."""
    path: list[str] = []
    node: Any = view
    parts = list(problem["loc"])
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if (isinstance(node, dict) and part in node) or (isinstance(node, list) and part in range(len(node))):
            node = node[part]
        elif not (last and problem["type"] == "missing"):
            continue  # how a union names its members
        path.append(str(part))
    where = _at(name, lines, tuple(path))
    match problem["type"]:
        case "missing":
            return f"{where}: missing"
        case "extra_forbidden":
            return f"{where}: unknown key{nearest(path[-1], _siblings(model, parts))}"
        case "union_tag_invalid":
            context = problem["ctx"]
            tag = context["discriminator"]
            known = context["expected_tags"].split(", ")
            found = context["tag"]
            return f"{where}.{tag}: unknown {tag} {found!r}{nearest(str(found), known)}"
        case "union_tag_not_found":
            return f"{where}: missing its key {problem['ctx']['discriminator']!r}"
        case "value_error":
            return f"{where}: {problem['ctx']['error']}"
        case _:
            wanted = problem["msg"].removeprefix("Input should be ")
            return f"{where}: found {_shown(problem['input'])}, wanted {wanted}"


def _siblings(model: type[Section], parts: list[Any]) -> list[str]:
    """Return the names valid beside the last element of an error's location."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    node: dict[str, Any] = schema
    for part in parts[:-1]:
        node = _resolve(node, definitions)
        variants = node.get("oneOf", node.get("anyOf"))
        mapping = node.get("discriminator", {}).get("mapping", {})
        if part in mapping:
            node = {"$ref": mapping[part]}
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif variants:
            node = next((v for v in (_resolve(v, definitions) for v in variants) if "properties" in v), {})
            node = node.get("properties", {}).get(part, node)
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
    node = _resolve(node, definitions)
    variants = [_resolve(variant, definitions) for variant in node.get("anyOf", [node])]
    return sorted({name for variant in variants for name in variant.get("properties", {})})


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[1]]
    return node
