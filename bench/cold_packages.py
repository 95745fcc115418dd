"""What bundles install, apart from what development has besides: some libraries load others where they find them."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.server import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PINNED: Final = re.compile(r"^[\w-]+(?:\[[\w,-]+\])?==\S+", re.MULTILINE)


def deployed_packages() -> set[str]:
    """The packages of requirements.txt and all that they need, as far as they are installed."""
    pending = [Requirement(line) for line in PINNED.findall((ROOT / "requirements.txt").read_text())]
    seen = set[tuple[str, frozenset[str]]]()
    while pending:
        wanted = pending.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key not in seen:
            seen.add(key)
            pending += _needs(*key)
    return {name for name, _ in seen}


def _needs(name: str, extras: frozenset[str]) -> list[Requirement]:
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:  # it is for another platform than this one
        return []
    found = map(Requirement, lines)
    return [each for each in found if not each.marker or any(each.marker.evaluate({"extra": e}) for e in {"", *extras})]


def linked(folder: Path) -> Path:
    """A module path with links to these packages. What shares a namespace with them, such as `google`, comes along."""
    folder.mkdir()
    for package in deployed_packages():
        try:
            files = distribution(package).files or ()
        except PackageNotFoundError:
            continue
        for name in {path.parts[0] for path in files} - {"..", "__pycache__"}:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(str(distribution(package).locate_file(name)))
    return folder


def python(*command: str) -> tuple[str, ...]:
    """This Python without the packages of the virtual environment: `PYTHONPATH` says which there are."""
    return (sys.executable, "-S", *command)
