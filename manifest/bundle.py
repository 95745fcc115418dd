"""`python -m manifest.bundle` writes one zip per function into build/bundles: its files, a main.py, its requirements.

The same sources give the same bytes, and the name carries their SHA-256: what did not change is not deployed again.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from manifest.closure import closure
from manifest.discover import ROOT, discover
from manifest.requirements import requirements

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BUNDLES: Final = ROOT / "build" / "bundles"
INDEX: Final = "index.json"
# Zip knows no moment before 1980; this one says that none is meant.
NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
READABLE: Final = 0o644 << 16
MAIN: Final = """\"\"\"The function {name}, where functions-framework looks for it.\"\"\"

from {module} import {name}

__all__ = ["{name}"]
"""


@dataclass(frozen=True)
class Bundle:
    """A function's zip: its name on disk, its size in bytes, and what is in it."""

    function: str
    file: str
    sha256: str
    size: int
    files: tuple[str, ...]
    requirements: tuple[str, ...]


def contents(module: str, name: str) -> dict[str, bytes]:
    """The files of a function's bundle by their path in it."""
    reached = closure(f"{module.replace('.', '/')}.py")
    ours = {path: (ROOT / path).read_bytes() for path in reached.files}
    return ours | {
        "main.py": MAIN.format(module=module, name=name).encode(),
        "requirements.txt": ("\n".join(requirements(reached.imports)) + "\n").encode(),
    }


def packed(files: dict[str, bytes]) -> bytes:
    """A zip with these files that depends on nothing else: neither on the time nor on the order or owner of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, NO_TIME)
            entry.external_attr, entry.create_system = READABLE, 3
            archive.writestr(entry, files[path], zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def build(folder: Path = BUNDLES, only: Iterable[str] = ()) -> tuple[Bundle, ...]:
    """Write the bundles, of all functions or of `only` these, and the index of them; bundles of before are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest, wanted = discover(), set(only)
    modules = {spec.name: spec.module for spec in manifest.endpoints}
    modules |= {spec.name: spec.module for spec in manifest.triggers}
    names = sorted(name for name in modules if not wanted or name in wanted)
    bundles = tuple(_write(folder, modules[name], name) for name in names)
    current = {bundle.file for bundle in bundles}
    for stale in folder.glob("*.zip"):
        if stale.name not in current:
            stale.unlink()
    index = {bundle.function: asdict(bundle) for bundle in bundles}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")
    return bundles


def _write(folder: Path, module: str, name: str) -> Bundle:
    files = contents(module, name)
    data = packed(files)
    digest = hashlib.sha256(data).hexdigest()
    bundle = Bundle(
        function=name,
        file=f"{name}-{digest[:16]}.zip",
        sha256=digest,
        size=len(data),
        files=tuple(sorted(files)),
        requirements=tuple(files["requirements.txt"].decode().split()),
    )
    path = folder / bundle.file
    if not path.exists():
        path.write_bytes(data)
    return bundle


def _before(folder: Path) -> dict[str, str]:
    """The digests of the last build by function."""
    path = folder / INDEX
    return {name: each["sha256"] for name, each in json.loads(path.read_text()).items()} if path.exists() else {}


def main() -> int:
    before = _before(BUNDLES)
    bundles = build()
    print(f"{'function':32}{'kB':>6}{'files':>7}{'packages':>10}  since the last build")
    for bundle in bundles:
        known = before.get(bundle.function)
        news = "new" if known is None else "" if known == bundle.sha256 else "changed"
        print(
            f"{bundle.function:32}{bundle.size / 1000:6.0f}{len(bundle.files):7}{len(bundle.requirements):10}  {news}"
        )
    gone = sorted(before.keys() - {bundle.function for bundle in bundles})
    changed = sum(before.get(bundle.function) != bundle.sha256 for bundle in bundles)
    print(
        f"{len(bundles)} bundles in {BUNDLES.relative_to(ROOT)}, {changed} to deploy"
        + "".join(f"\n{name}: gone" for name in gone)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
