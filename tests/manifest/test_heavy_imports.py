"""What a cold start may load: pinned for each function, and looked for in processes that load it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

from manifest import closure as closures
from manifest.closure import closure
from manifest.discover import ROOT, discover
from tests.manifest.heavy_imports import ANY_FUNCTION, SOME_FUNCTIONS, TOO_HEAVY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from common.endpoint import EndpointSpec
    from common.trigger import TriggerSpec
    from manifest.closure import Closure

# Imports each list of modules in a child of its own; what all have in common was imported before.
LOADED: Final = """
import importlib, json, os, sys

def load(names):
    for name in names:
        while True:  # the last part of a name may be a class
            try:
                importlib.import_module(name)
                break
            except ModuleNotFoundError as missing:
                if missing.name != name and not name.startswith(f"{missing.name}."):
                    raise
                name = name.rpartition(".")[0]

common, *others = json.load(sys.stdin)
load(common)
for names in others:
    child = os.fork()
    if not child:
        load(names)
        print(json.dumps(sorted(sys.modules)), flush=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, names
"""
# What common/serving.py starts a function with.
SERVER: Final = ("common.serving", "starlette.requests", "uvicorn", "uvloop", "httptools")


def library(module: str) -> str:
    """The library that a module is of; Google's share their first name."""
    first, *more = module.split(".")
    if first != "google" or not more:
        return first
    return ".".join((first, *more[: 2 if more[0] == "cloud" else 1]))


def imports(spec: EndpointSpec | TriggerSpec) -> frozenset[str]:
    """Modules of others that the function may import, late ones too."""
    found = closures.closure(f"{spec.module.replace('.', '/')}.py").imports
    return frozenset(name for name in found if name.partition(".")[0] not in sys.stdlib_module_names)


def some_functions() -> dict[str, set[str]]:
    """The table as the code has it."""
    manifest = discover()
    found: dict[str, set[str]] = {}
    specs: list[EndpointSpec | TriggerSpec] = [*manifest.endpoints, *manifest.triggers]
    for spec in specs:
        for name in {library(module) for module in imports(spec)} - ANY_FUNCTION:
            found.setdefault(name, set()).add(spec.name)
    return found


def loaded(sets: Iterable[frozenset[str]]) -> dict[frozenset[str], set[str]]:
    """The libraries in a process of ours that imported such a set of modules."""
    wanted = list(dict.fromkeys(sets))
    shared = sorted(frozenset.intersection(*wanted)) if wanted else []
    lists = json.dumps([[*SERVER, *shared], *map(sorted, wanted)])
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(command, cwd=ROOT, input=lists, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    modules = map(json.loads, done.stdout.splitlines())
    return {names: set(map(library, found)) for names, found in zip(wanted, modules, strict=True)}


def too_heavy(specs: Iterable[EndpointSpec]) -> dict[str, set[str]]:
    """What each of these loads and should not."""
    # Of the modules of one library any may stand for the others: that keeps the processes few.
    endpoints = {spec.name: _one_of_each(imports(spec)) for spec in specs}
    found = loaded(endpoints.values())
    return {name: found[names] & TOO_HEAVY for name, names in endpoints.items() if found[names] & TOO_HEAVY}


def _one_of_each(modules: frozenset[str]) -> frozenset[str]:
    return frozenset({library(name): name for name in sorted(modules)}.values())


@cache
def _with(module: str, source: str) -> Closure:
    found = closure(source)
    return dataclasses.replace(found, imports=(*found.imports, module)) if "get_event.py" in source else found


def test_functions_import_the_libraries_that_the_table_gives_them() -> None:
    assert some_functions() == SOME_FUNCTIONS


def test_control_one_more_library_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closures, "closure", lambda source: _with("jinja2.Environment", source))
    assert some_functions()["jinja2"] == SOME_FUNCTIONS["jinja2"] | {"get_event"}


def test_nothing_that_a_person_waits_for_loads_what_is_too_heavy() -> None:
    assert too_heavy(discover().endpoints) == {}


def test_control_a_library_that_is_too_heavy_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closures, "closure", lambda source: _with("functions_framework.aio", source))
    [get_event] = (spec for spec in discover().endpoints if spec.name == "get_event")
    assert {"flask", "werkzeug"} < too_heavy([get_event])["get_event"]
