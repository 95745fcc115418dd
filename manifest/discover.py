"""Finds every declared function of the repository: the one list that gateway, OpenAPI and deployment share."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.endpoint import Endpoint, EndpointSpec
from common.trigger import Trigger, TriggerSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Manifest:
    """All functions, each list in the order of its names."""

    endpoint_functions: tuple[Endpoint, ...]
    trigger_functions: tuple[Trigger, ...]

    @property
    def endpoints(self) -> tuple[EndpointSpec, ...]:
        return tuple(function.spec for function in self.endpoint_functions)

    @property
    def triggers(self) -> tuple[TriggerSpec, ...]:
        return tuple(function.spec for function in self.trigger_functions)


class DeclarationError(Exception):
    """A file under functions/ or triggers/ does not declare exactly one function named as itself."""


def discover() -> Manifest:
    """Import each file under functions/ and triggers/ and take what it declares."""
    manifest = Manifest(tuple(_declared("functions", EndpointSpec)), tuple(_declared("triggers", TriggerSpec)))
    names = [spec.name for spec in manifest.endpoints] + [spec.name for spec in manifest.triggers]
    if len(set(names)) != len(names):
        raise DeclarationError(f"two functions share a name: {sorted(names)}")
    return manifest


def _declared(folder: str, kind: type) -> Iterator[Any]:
    for path in sorted((ROOT / folder).glob("*/*.py"), key=lambda path: path.stem):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        function = getattr(module, path.stem, None)
        if not isinstance(getattr(function, "spec", None), kind):
            raise DeclarationError(f"{path} must declare a function named {path.stem}")
        yield function
