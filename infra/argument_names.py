"""Each argument of each resource is one that the provider knows, and none that it needs is missing: without terraform.

What `terraform validate` says too, and more surely; this says it where there is no terraform program.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from infra import offline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]

# What every resource may say, whatever the provider.
TERRAFORMS_OWN: Final = {"count", "depends_on", "for_each", "lifecycle", "provider", "provisioner"}
SCHEMA_OF: Final = {"resource": "resources", "data": "data"}


def unknown_arguments(folder: Path) -> Iterator[str]:
    """What is wrong in the files below `folder`, with the place."""
    import hcl2

    schema = json.loads(offline.schema(folder).read_text())
    for path in sorted(folder.rglob("*.tf")):
        with path.open() as file:
            parsed = hcl2.load(file)
        for kind, blocks in SCHEMA_OF.items():
            for type_, name, body in _labelled(parsed.get(kind, [])):
                where = f"{path.relative_to(folder)}: {type_}.{name}"
                known = schema[blocks].get(type_)
                if known is None:
                    yield f"{where}: the provider has no such {kind}"
                    continue
                own = {key: value for key, value in body.items() if key not in TERRAFORMS_OWN}
                yield from (f"{where}: {each}" for each in _differences(own, known))


def _labelled(blocks: list[Json]) -> Iterator[tuple[str, str, Json]]:
    for block in blocks:
        for type_, named in block.items():
            for name, body in named.items():
                yield type_.strip('"'), name.strip('"'), body


def _differences(body: Json, known: Json) -> Iterator[str]:
    # Comments and marks of the parser's own begin with two underscores.
    said = {name: value for name, value in body.items() if not name.startswith("__")}
    nested = [(name, each) for name, value in said.items() if name in known["blocks"] for each in _listed(value)]
    nested += [
        (name.strip('"'), content)
        for dynamic in _listed(said.pop("dynamic", []))
        for name, generated in dynamic.items()
        for content in generated["content"]
    ]
    present = said.keys() | {name for name, _ in nested}
    for name in sorted(present - known["attributes"].keys() - known["blocks"].keys()):
        yield f"there is no argument {name}"
    needed = {name for name, each in known["attributes"].items() if each["required"]}
    needed |= {name for name, each in known["blocks"].items() if each["least"]}
    for name in sorted(needed - present):
        yield f"{name} is missing"
    for name, each in nested:
        if name in known["blocks"]:
            yield from (f"{name}: {found}" for found in _differences(each, known["blocks"][name]))


def _listed(value: object) -> list[Json]:
    return value if isinstance(value, list) else []
