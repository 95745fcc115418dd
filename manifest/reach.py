"""Which names of our code and of others a function can come to, followed from one definition to the next.

Finer than the files of `manifest.closure`: a file that also has what this function never uses adds nothing. A class
counts with all of its methods, so what is called on an object is found where the object is made.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from manifest.closure import OURS
from manifest.discover import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Symbol = tuple[str, str]
CONFIG: Final = ("common.config", "config")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Reach:
    """What was come to: our symbols, dotted names of others, settings read, and which module names which attributes."""

    symbols: frozenset[Symbol]
    foreign: frozenset[str]
    settings: frozenset[str]
    attributes: frozenset[Symbol]


@dataclass
class _Module:
    """The definitions of a file, and what the names that it imports stand for."""

    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)


def reach(module: str, name: str, without: frozenset[Symbol] = frozenset()) -> Reach:
    """Everything that the definition `name` of `module` comes to, but for what only `without` leads to."""
    symbols, foreign = set[Symbol](), set[str]()
    settings, attributes = set[str](), set[Symbol]()
    pending: list[Symbol] = [(module, name)]
    while pending:
        symbol = pending.pop()
        if symbol in symbols or symbol in without:
            continue
        found = _module(symbol[0])
        if symbol[1] in found.imports:
            pending += _ours(found.imports[symbol[1]])
            continue
        symbols.add(symbol)
        for used in _named_by(*symbol):
            foreign |= used.foreign
            settings |= used.settings
            attributes |= used.attributes
            pending += used.symbols
    return Reach(frozenset(symbols), frozenset(foreign), frozenset(settings), frozenset(attributes))


@cache
def _module(dotted: str) -> _Module:
    found = _Module()
    path = ROOT.joinpath(*dotted.split(".")).with_suffix(".py")
    for node in ast.parse(path.read_text(), str(path)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.imports |= dict(_bindings(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.definitions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for each in ast.walk(target):
                    # `Access.PUBLIC = …` belongs to Access as much as what its body says.
                    if isinstance(each, ast.Name):
                        found.definitions.setdefault(each.id, []).append(node)
    return found


def _bindings(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif alias.asname:
            yield alias.asname, alias.name
        else:
            yield alias.name.partition(".")[0], alias.name.partition(".")[0]


@cache
def _named_by(dotted: str, name: str) -> tuple[Reach, ...]:
    """What each definition of this name in the module names itself."""
    module = _module(dotted)
    return tuple(_used(dotted, module, definition) for definition in module.definitions.get(name, ()))


def _used(dotted: str, module: _Module, definition: Definition) -> Reach:
    late = [node for node in ast.walk(definition) if isinstance(node, ast.Import | ast.ImportFrom)]
    bound = module.imports | {name: target for node in late for name, target in _bindings(node)}
    symbols, foreign = set[Symbol](), {target for node in late for target in _foreign_targets(node)}
    settings, attributes = set[str](), set[Symbol]()
    for node in _without_annotations(definition):
        if isinstance(node, ast.Attribute):
            attributes.add((dotted, node.attr))
            if isinstance(node.value, ast.Call) and _target(node.value.func, bound) == ".".join(CONFIG):
                settings.add(node.attr)
        target = _target(node, bound)
        if target is not None:
            symbols |= set(_ours(target))
            if target.partition(".")[0] not in OURS:
                foreign.add(target)
        elif isinstance(node, ast.Name) and node.id in module.definitions:
            symbols.add((dotted, node.id))
    return Reach(frozenset(symbols), frozenset(foreign), frozenset(settings), frozenset(attributes))


def _without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that do something when the definition runs."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _without_annotations(child)


def _target(node: ast.AST, bound: Mapping[str, str]) -> str | None:
    """The dotted name that a name or a chain of attributes stands for, if it begins with something imported."""
    if isinstance(node, ast.Name):
        return bound.get(node.id)
    if isinstance(node, ast.Attribute):
        outer = _target(node.value, bound)
        return None if outer is None else f"{outer}.{node.attr}"
    return None


def _ours(target: str) -> Iterator[Symbol]:
    """The symbol of ours that a dotted name leads to: the longest part that is a file, and the name after it."""
    parts = target.split(".")
    if parts[0] in OURS:
        for length in range(len(parts) - 1, 0, -1):
            if ROOT.joinpath(*parts[:length]).with_suffix(".py").is_file():
                yield ".".join(parts[:length]), parts[length]
                return


def _foreign_targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        names = [alias.name for alias in node.names]
    yield from (name for name in names if name.partition(".")[0] not in OURS)
