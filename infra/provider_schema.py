"""The schema of Terraform's Google provider, read out of the bindings that the `cdktn-provider-google` wheel carries.

The provider itself is a program that only its maker's registry offers. These bindings are generated from its schema,
and say of each argument its name, its type, and whether it is required, optional or computed.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Json = dict[str, Any]

# `// name - computed: false, optional: true, required: false`, and the accessors of that argument after it.
ARGUMENT: Final = re.compile(
    r"// (?P<name>\w+) - computed: (?P<computed>\w+), optional: (?P<optional>\w+), required: (?P<required>\w+)\n"
    r"(?P<code>.*?)(?=\n    // \w+ - computed: |\n    // ====|\n}\n|\Z)",
    re.DOTALL,
)
# One entry of what is written into a configuration.
WRITTEN: Final = re.compile(
    r"^\s+(?P<name>\w+): \{\s*\n\s+value: .*?,\n\s+isBlock: (?P<block>true|false),\n"
    r"\s+type: \"(?P<type>\w+)\",\n\s+storageClassType: \"(?P<storage>\w+)\"",
    re.MULTILINE | re.DOTALL,
)
NESTED: Final = re.compile(r"= new (\w+?)(List|Map|OutputReference)\(this, \"\w+\"(?:, (true|false))?")
CLASS: Final = re.compile(r"\nclass (\w+) [^\n]*\{\n(.*?)\n\}\n", re.DOTALL)
WRITER: Final = re.compile(r"\nfunction (\w+)ToHclTerraform\(struct\) \{(.*?)\n\}\n", re.DOTALL)
# How one file of a large resource names what another defines.
ELSEWHERE: Final = re.compile(r"\b(?:index|structs\d+)_\d+\.")
RESOURCE: Final = re.compile(r"static tfResourceType = \"(\w+)\"")
STORED: Final[dict[str, object]] = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "stringList": ["list", "string"],
    "numberList": ["list", "number"],
    "booleanList": ["list", "bool"],
    "stringMap": ["map", "string"],
    "numberMap": ["map", "number"],
    "booleanMap": ["map", "bool"],
}
# What Terraform computes has no storage class; the accessor tells its type.
READ: Final[dict[str, object]] = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getNumberListAttribute": ["list", "number"],
    "StringMap(": ["map", "string"],
    "NumberMap(": ["map", "number"],
    "BooleanMap(": ["map", "bool"],
}


@dataclass(frozen=True)
class Written:
    """How an argument is written: as a block or an attribute, and stored as what."""

    is_block: bool
    kind: str
    storage: str


class Bindings:
    """The files of the wheel, by the folder of the resource."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            packed = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
            data = archive.read(packed)
        self._sources: dict[str, str] = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in sorted(tar.getmembers(), key=lambda member: member.name):
                parts = member.name.split("/")
                if parts[:2] == ["package", "lib"] and member.name.endswith(".js") and len(parts) > 3:
                    found = tar.extractfile(member)
                    text = found.read().decode() if found else ""
                    self._sources[parts[2]] = self._sources.get(parts[2], "") + text

    def schema(self, resources: Iterable[str], data: Iterable[str]) -> Json:
        """The schema of the provider, of these resources, and of these data sources; unknown names are left out."""
        return {
            "provider": self._block("provider"),
            "resources": self._blocks(resources, ""),
            "data": self._blocks(data, "data-"),
        }

    def _blocks(self, names: Iterable[str], prefix: str) -> Json:
        folders = {name: prefix + self._folder(name, prefix) for name in names}
        return {name: self._block(folder) for name, folder in folders.items() if folder in self._sources}

    def _folder(self, name: str, prefix: str) -> str:
        short = name.removeprefix("google_").replace("_", "-")
        # Data sources keep the prefix that resources lose.
        return f"google-{short}" if prefix else short

    def _block(self, folder: str) -> Json:
        return _Reader(ELSEWHERE.sub("", self._sources[folder])).block()


class _Reader:
    """One resource's bindings, made into a block of arguments and nested blocks."""

    def __init__(self, source: str) -> None:
        self._classes = {match[1]: match[2] for match in CLASS.finditer(source)}
        self._writers = {match[1]: _written(match[2]) for match in WRITER.finditer(source)}

    def block(self) -> Json:
        body = next(body for body in self._classes.values() if "synthesizeHclAttributes()" in body)
        return self._fields(body, _written(body[body.index("synthesizeHclAttributes()") :]))

    def _fields(self, body: str, written: dict[str, Written]) -> Json:
        attributes: Json = {}
        blocks: Json = {}
        for found in ARGUMENT.finditer(body):
            name, code = found["name"], found["code"]
            flags = {flag: found[flag] == "true" for flag in ("required", "optional", "computed")}
            how, nested = written.get(name), NESTED.search(code)
            if nested is not None and nested[1] + "OutputReference" in self._classes:
                inner = self._nested(nested[1])
                if name == "timeouts" or (how is not None and how.is_block):
                    blocks[name] = inner | _nesting(name, nested, how, required=flags["required"])
                else:
                    attributes[name] = {"type": [_collection(nested, how), _object(inner)]} | flags
            else:
                attributes[name] = {"type": _leaf(code, how)} | flags
        return {"attributes": attributes, "blocks": blocks}

    def _nested(self, name: str) -> Json:
        writer = self._writers.get(name[0].lower() + name[1:], {})
        return self._fields(self._classes[name + "OutputReference"], writer)


def _written(code: str) -> dict[str, Written]:
    return {
        found["name"]: Written(found["block"] == "true", found["type"], found["storage"])
        for found in WRITTEN.finditer(code)
    }


def _nesting(name: str, nested: re.Match[str], how: Written | None, *, required: bool) -> Json:
    if name == "timeouts":
        return {"nesting": "SINGLE", "least": 0, "most": 0}
    collection = _collection(nested, how)
    single = nested[2] == "OutputReference"
    return {"nesting": collection.upper(), "least": int(required), "most": int(single)}


def _collection(nested: re.Match[str], how: Written | None) -> str:
    if nested[2] == "Map":
        return "map"
    return "set" if nested[3] == "true" or (how is not None and how.kind == "set") else "list"


def _leaf(code: str, how: Written | None) -> object:
    if how is not None and how.storage in STORED:
        stored = STORED[how.storage]
        return ["set", stored[1]] if how.kind == "set" and isinstance(stored, list) else stored
    read = next((type_ for accessor, type_ in READ.items() if accessor in code), "dynamic")
    return ["set", read[1]] if "Fn.tolist" in code and isinstance(read, list) else read


def _object(block: Json) -> object:
    """The type of a nested block that only exists as a value."""
    fields = {name: each["type"] for name, each in block["attributes"].items()}
    nested = {name: [each["nesting"].lower(), _object(each)] for name, each in block["blocks"].items()}
    return ["object", fields | nested]
