"""What a function reaches: the files of ours it imports, also late, the data beside them, and modules of others."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from manifest.discover import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS: Final = ("common", "functions", "triggers")


class MissingModule(Exception):
    """A file imports a module of ours that is not there."""


@dataclass(frozen=True)
class Closure:
    """Paths relative to the repository's root, and dotted names of modules that are not ours; both in order."""

    files: tuple[str, ...]
    imports: tuple[str, ...]


def closure(source: str) -> Closure:
    """Everything that the function declared in the file at `source` may read or import."""
    files, imports = set[Path](), set[str]()
    pending = [ROOT / source]
    while pending:
        path = pending.pop()
        if path not in files:
            files.add(path)
            ours, others = _imported(path)
            pending += ours
            imports |= others
    data = {each for path in files for each in _data_of(path)}
    named = sorted(str(path.relative_to(ROOT)) for path in files | data)
    return Closure(tuple(named), tuple(sorted(imports)))


@cache
def _syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def _imported(path: Path) -> tuple[frozenset[Path], frozenset[str]]:
    """What the file imports anywhere, but for a type checker alone: our files, and the dotted names of others."""
    modules = set(_imports(_syntax(path)))
    others = {module for module in modules if module.partition(".")[0] not in OURS}
    return frozenset(_file_of(module, path) for module in modules - others), frozenset(others)


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        if node.module is None or node.level:
            raise ValueError("imports are absolute")
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for otherwise in node.orelse:
            yield from _imports(otherwise)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child)


def _file_of(module: str, importing: Path) -> Path:
    # Either may be the module: `from common.events import rules`, `from common.money import Money`.
    for name in (module, module.rpartition(".")[0]):
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if path.is_file():
            return path
    raise MissingModule(f"{importing} imports {module}")


@cache
def _data_of(path: Path) -> tuple[Path, ...]:
    """The files beside this module, or below, that it names in a string: it reads them when it runs."""
    named = {node.value for node in ast.walk(_syntax(path)) if isinstance(node, ast.Constant)}
    beside = (each for each in path.parent.rglob("*") if each.suffix not in {".py", ".pyc"} and each.is_file())
    return tuple(sorted(each for each in beside if each.name in named))
