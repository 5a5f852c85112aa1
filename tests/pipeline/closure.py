"""What a module of the project imports, found by reading the source: at the top, in functions, and so on down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def closure(module: str, root: Path = ROOT) -> set[str]:
    """Return the files, relative to `root`, of `module` and of all that importing and running it brings in.

    Only modules of the top-level package of `module` count. Imports under `if TYPE_CHECKING:` do not.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name, root)
        if path is None or path in found:
            continue
        found.add(path)
        waiting += _parents(name)
        waiting += _imported(ast.parse((root / path).read_text(encoding="utf-8")), name, path)
    return found


def dependencies(module: str, root: Path = ROOT) -> set[str]:
    """Return the closure as dvc.yaml lists it: a folder of which all is imported as that folder, else its files.

    So an edit to what a stage does not import never makes it run. The package's own __init__.py is left out: a test
    keeps it free of code.
    """
    found = closure(module, root)
    folders = {Path(path).parent for path in found if path.count("/") > 1}
    whole = {f for f in folders if {p.relative_to(root).as_posix() for p in (root / f).glob("*.py")} <= found}
    listed = {Path(path).parent.as_posix() if Path(path).parent in whole else path for path in found}
    return listed - {f"{module.split('.')[0]}/__init__.py"}


def _file(name: str, root: Path) -> str | None:
    path = Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (root / candidate).is_file():
            return candidate.as_posix()
    return None


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _imported(tree: ast.AST, name: str, path: str) -> Iterator[str]:
    """Yield the dotted names that `tree` may import of its own top-level package; some are no modules."""
    package = name.split(".") if path.endswith("/__init__.py") else name.split(".")[:-1]
    top = name.split(".")[0]
    for node in _run(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        yield from (found for found in names if found.split(".")[0] == top)


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk `tree` without what stands under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for other in child.orelse:
                yield other
                yield from _run(other)
        else:
            yield child
            yield from _run(child)
