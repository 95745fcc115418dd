"""Which lines of requirements.txt the modules that a function imports come from."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from manifest.discover import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What serves any function: nothing of ours imports these.
ALWAYS: Final = ("functions-framework", "httptools", "tzdata", "uvloop")
PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([\w,-]+)\])?==(\S+)$")


class UnknownPackage(Exception):
    """A function imports a module that no line of requirements.txt, nor what it needs, brings."""


@cache
def pinned() -> dict[str, str]:
    """The lines of requirements.txt by canonical name."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = (PIN.match(line) for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(match[1]): match[0] for match in found if match}


def requirements(imports: Iterable[str]) -> tuple[str, ...]:
    """The lines of requirements.txt that these modules need, in order."""
    wanted: set[str] = {canonicalize_name(name) for name in ALWAYS}
    modules = {name for name in imports if name.partition(".")[0] not in sys.stdlib_module_names}
    indirect = []
    for module in sorted(modules):
        direct = _providers().get(_longest_known(module))
        if direct is None:
            indirect.append(module)
        else:
            wanted.add(direct)
    brought = {name for each in wanted for name in _needs(each)}
    for module in indirect:
        provider = _provider_among(module, brought)
        if provider is None:
            raise UnknownPackage(f"{module} is in no package of requirements.txt that the function imports")
    return tuple(pinned()[name] for name in sorted(wanted))


@cache
def _providers() -> dict[str, str]:
    """Which pinned package has which module, by dotted name."""
    return {module: name for name in pinned() for module in _modules_of(name)}


def _longest_known(module: str) -> str:
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in _providers()), "")


def _provider_among(module: str, packages: set[str]) -> str | None:
    parts = module.split(".")
    names = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return next((package for package in sorted(packages) if names & _modules_of(package)), None)


@cache
def _modules_of(package: str) -> frozenset[str]:
    """The modules that an installed package brings; none of a namespace that it shares with others."""
    found = set()
    for path in distribution(package).files or ():
        if path.suffix == ".py" or path.name.endswith(".so"):
            parts = (*path.parts[:-1], path.name.partition(".")[0])
            found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return frozenset(found)


@cache
def _needs(package: str) -> frozenset[str]:
    """The packages that this one needs, and those that they need, as far as they are installed."""
    found: set[str] = set()
    pending = [package]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += _direct_needs(name)
    return frozenset(found)


def _direct_needs(package: str) -> Iterator[str]:
    try:
        wanted = distribution(package).requires or []
    except PackageNotFoundError:
        return
    for line in wanted:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)
