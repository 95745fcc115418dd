"""`python -m manifest.bundle` writes one zip per function into build/bundles: its files, a main.py, its requirements.

The same sources give the same bytes, and the name carries the SHA-256 of what is in it: what did not change is not
deployed again.
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
from manifest.requirements import direct, packages, requirements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BUNDLES: Final = ROOT / "build" / "bundles"
INDEX: Final = "index.json"
REQUIREMENTS: Final = "requirements.txt"
# What the image starts (docs/decisions/0024-cold-start.md); functions-framework serves the same main.py.
SERVING: Final = "common/serving.py"
# How a bundle becomes an image is in it: when that changes, every image is built anew.
RECIPE: Final = "terraform/build.yaml"
# Zip knows no moment before 1980; this one says that none is meant.
NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
READABLE: Final = 0o644 << 16
MAIN: Final = """\"\"\"The function {name}, where functions-framework looks for it.\"\"\"

from {module} import {name}

__all__ = ["{name}"]
"""


@dataclass(frozen=True)
class Bundle:
    """A function's zip: its name on disk, its size in bytes, and what is in it.

    `sha256` is of the contents, as zlib does not compress alike everywhere; `files` are digests by path, `packages`
    what is installed beside them, versions by name.
    """

    function: str
    file: str
    sha256: str
    size: int
    files: Mapping[str, str]
    packages: Mapping[str, str]


def modules() -> dict[str, str]:
    """The module of each function, by the function's name, in order."""
    manifest = discover()
    declared = [(spec.name, spec.module) for spec in manifest.endpoints]
    declared += [(spec.name, spec.module) for spec in manifest.triggers]
    return dict(sorted(declared))


def contents(module: str, name: str) -> dict[str, bytes]:
    """The files of a function's bundle by their path in it."""
    reached = closure(f"{module.replace('.', '/')}.py")
    files = {path: (ROOT / path).read_bytes() for path in (*reached.files, SERVING, RECIPE)}
    pinned = "".join(package.lines for package in requirements(reached.imports))
    return files | {
        "main.py": MAIN.format(module=module, name=name).encode(),
        REQUIREMENTS: pinned.encode(),
    }


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip with these files that depends on nothing else: neither on the time nor on the order or owner of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, NO_TIME)
            entry.external_attr, entry.create_system = READABLE, 3
            archive.writestr(entry, files[path], zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def build(folder: Path = BUNDLES) -> dict[str, Bundle]:
    """Write all bundles and the index of them, and remove those of before."""
    folder.mkdir(parents=True, exist_ok=True)
    bundles = {name: _write(folder, module, name) for name, module in modules().items()}
    _replace(folder / INDEX, (json.dumps({name: asdict(each) for name, each in bundles.items()}, indent=1)).encode())
    current = {bundle.file for bundle in bundles.values()}
    for stale in folder.glob("*.zip"):
        if stale.name not in current:
            stale.unlink()
    return bundles


def _write(folder: Path, module: str, name: str) -> Bundle:
    files = contents(module, name)
    digests = {path: hashlib.sha256(files[path]).hexdigest() for path in sorted(files)}
    digest = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    path = folder / f"{name}-{digest[:16]}.zip"
    if not path.exists():
        _replace(path, packed(files))
    return Bundle(
        function=name,
        file=path.name,
        sha256=digest,
        size=path.stat().st_size,
        files=digests,
        packages={package.name: package.version for package in packages(files[REQUIREMENTS].decode())},
    )


def _replace(path: Path, data: bytes) -> None:
    """A run that ends in between leaves no half of a file under this name."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(data)
    unfinished.replace(path)


def last_build(folder: Path = BUNDLES) -> dict[str, Bundle]:
    """The bundles of the index that is there; none where it is missing or of another form."""
    try:
        return {name: Bundle(**each) for name, each in json.loads((folder / INDEX).read_bytes()).items()}
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def changes(before: Bundle, after: Bundle) -> list[str]:
    """What differs: `common/money.py`, `+common/new.py`, `-common/old.py`, `jinja2==3.1.6`."""
    packages = list(_differing(_pins(before), _pins(after)))
    files = _differing(before.files, after.files)
    return [path for path in files if path != REQUIREMENTS or not packages] + packages


def _pins(bundle: Bundle) -> dict[str, str]:
    return {f"{name}=={version}": version for name, version in bundle.packages.items()}


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield {(False, True): "+", (True, False): "-"}.get((name in before, name in after), "") + name


def _short(differing: list[str]) -> str:
    return differing[0] + (f" +{len(differing) - 1} more" if differing[1:] else "") if differing else ""


def main() -> int:
    before = last_build(BUNDLES)
    bundles = build(BUNDLES)
    everywhere = set.intersection(direct(), *(set(bundle.packages) for bundle in bundles.values()))
    print(f"{'function':26}{'kB':>5}{'files':>7}{'packages':>10}  {'since the last build':44}  of its own")
    changed = 0
    for name, bundle in bundles.items():
        news = _short(changes(before[name], bundle)) if name in before else "new"
        changed += bool(news)
        own = ", ".join(sorted(direct() & bundle.packages.keys() - everywhere))
        print(f"{name:26}{bundle.size / 1000:5.0f}{len(bundle.files):7}{len(bundle.packages):10}  {news:44}  {own}")
    print(f"of all: {', '.join(sorted(everywhere))}")
    for name in sorted(before.keys() - bundles.keys()):
        print(f"{name}: gone")
    print(f"{len(bundles)} bundles in {BUNDLES.relative_to(ROOT)}, {changed} to deploy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
