"""What openapi.json says of the public routes: whatever is added there is fuzzed from then on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.support.people import Json

FULL: Final = os.environ.get("MARQUEE_FUZZ") == "full"
REFERENCE: Final[Json] = json.loads((Path(__file__).resolve().parents[2] / "openapi.json").read_text())
# Names that mean a place, wherever they occur; what a schema allows may still be nowhere.
PLACES: Final = {"latitude": "19.07", "longitude": "72.87"}


@dataclass(frozen=True)
class Route:
    """A GET that needs no sign-in, with one query that it accepts."""

    path: str
    operation: Json

    @property
    def parameters(self) -> dict[str, Json]:
        """The schema of each query parameter."""
        return {each["name"]: each["schema"] for each in self.operation["parameters"] if each["in"] == "query"}

    @property
    def url(self) -> str:
        """Its path, of things that are nowhere."""
        return self.path.replace("{", "none-").replace("}", "")

    @property
    def accepted(self) -> dict[str, str]:
        """What it needs, and nothing else."""
        required = [each["name"] for each in self.operation["parameters"] if each["in"] == "query" and each["required"]]
        # A small circle is one query: the emulator searches through everything for each.
        small = {"radiusKm": "1"} if "latitude" in required else {}
        return {name: PLACES.get(name) or sample(self.parameters[name]) for name in required} | small


def is_public(operation: Json) -> bool:
    """Whether somebody who is not signed in may call it."""
    return operation.get("security") in (None, [{}, {"firebase": []}])


def public_gets() -> list[Route]:
    """All of them."""
    paths = REFERENCE["paths"].items()
    return [Route(path, methods["get"]) for path, methods in paths if "get" in methods and is_public(methods["get"])]


def sample(schema: Json) -> str:
    """One value that the schema accepts."""
    if "$ref" in schema:
        schema = REFERENCE["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return sample(schema[choice][0])
    if "enum" in schema:
        return str(schema["enum"][0])
    kinds: dict[str, Any] = {
        "integer": lambda: str(max(1, schema.get("minimum", 1))),
        "number": lambda: str(max(1, schema.get("minimum", 1))),
        "boolean": lambda: "true",
        "string": lambda: _text(schema),
    }
    return str(kinds[schema["type"]]())


def _text(schema: Json) -> str:
    if schema.get("format") == "date-time":
        return (datetime.now(UTC) + timedelta(days=1)).isoformat()
    if schema.get("format") == "date":
        return (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    return str("jazz".ljust(schema.get("minLength", 0), "x"))
