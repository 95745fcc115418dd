"""Which packages the modules that a function imports come from, and what those need, as requirements.lock pins them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Final

from manifest.discover import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCK: Final = ROOT / "requirements.lock"
# In the lock, what a function may import is wanted by this; what only development needs is not.
DEPLOYED: Final = "-r requirements.txt"
# What serves any function; without functions-framework the buildpack would install one, of any version.
ALWAYS: Final = ("functions-framework", "httptools", "tzdata", "uvicorn", "uvloop")
PIN: Final = re.compile(r"^([a-z0-9-]+)==([^\s;]+)")
COMMENT: Final = re.compile(r"^ +#.*\n", re.MULTILINE)
WANTED_BY: Final = re.compile(r"^ +#(?: via)? +(?!via$)(.+)$", re.MULTILINE)


class UnknownPackage(Exception):
    """A function imports a module that no package of requirements.txt, nor what those need, brings."""


@dataclass(frozen=True)
class Package:
    """A package as the lock pins it: the lines that pip reads, with their hashes, and who wants it."""

    name: str
    version: str
    lines: str
    wanted_by: frozenset[str]


def packages(text: str) -> tuple[Package, ...]:
    """All that a lock pins, in its order."""
    blocks = [block for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if PIN.match(block)]
    return tuple(_package(block) for block in blocks)


def _package(block: str) -> Package:
    name, version = PIN.findall(block)[0]
    return Package(name, version, COMMENT.sub("", block), frozenset(WANTED_BY.findall(block)))


def requirements(imports: Iterable[str]) -> tuple[Package, ...]:
    """Every package that is to be installed where these modules are imported."""
    modules = {module for module in imports if module.partition(".")[0] not in sys.stdlib_module_names}
    return _with_needs({*ALWAYS, *(provider(module) for module in modules)})


def direct() -> set[str]:
    """The packages that requirements.txt itself names."""
    return {package.name for package in _locked() if DEPLOYED in package.wanted_by}


def _with_needs(names: Iterable[str]) -> tuple[Package, ...]:
    """These packages and what they need. What anybody asks of a package as an extra counts as its need."""
    wanted, pending = set[str](), list(names)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += _needs(name)
    return tuple(package for package in _locked() if package.name in wanted)


@cache
def _needs(name: str) -> tuple[str, ...]:
    return tuple(package.name for package in _locked() if name in package.wanted_by)


@cache
def _locked() -> tuple[Package, ...]:
    return packages(LOCK.read_text())


@cache
def provider(module: str) -> str:
    """The package with the longest part of this dotted name."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    for name in names:
        if name in _providers():
            return _providers()[name]
    raise UnknownPackage(f"{module} is in no package of requirements.txt")


@cache
def _providers() -> dict[str, str]:
    """Which deployed package has which module, by dotted name."""
    return {module: package.name for package in _with_needs({DEPLOYED}) for module in _modules_of(package.name)}


def _modules_of(package: str) -> set[str]:
    """The modules that an installed package brings; none of a namespace that it shares with others."""
    try:
        files = distribution(package).files or ()
    except PackageNotFoundError:  # it is for another platform than this one
        return set()
    found = set()
    for path in files:
        if path.suffix == ".py" or path.name.endswith(".so"):
            parts = (*path.parts[:-1], path.name.partition(".")[0])
            found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found
