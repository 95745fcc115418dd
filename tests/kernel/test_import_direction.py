"""Imports go one way: functions and triggers → a domain of common → the platform files of common."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("common", "functions", "triggers")
TOOLING = ("manifest", "emulators", "tests", "bench")
# Cheap to import, or (jwt, geohash2) behind files that are themselves imported only where they are needed.
ALLOWED_AT_TOP = {"pydantic", "pydantic_core", "starlette", "typing_extensions", "jwt", "geohash2"}
# Adapters that subclass their SDK's classes; they are imported when they are first used, as an SDK is.
SDK_ADAPTERS = {
    "common.firestore_reads",
    "common.firestore_writes",
    "common.payments.stripe_transport",
    "common.rpc_spans",
    "common.spans",
}
# What a domain offers to others, beside its store, rules and schemas.
OFFERED = {"store", "rules", "schemas"}
ALSO_OFFERED = {
    "common.catalogue.genres",
    "common.feed.nights",
    "common.listings.cards",
    "common.listings.index",
    "common.listings.store",
    "common.orders.capacity",
    "common.orders.inventory",
    "common.orders.pricing",
    "common.orders.shards",
    "common.organizations.policy",
    "common.payments.gateways",
    "common.payments.ledger",
}
SDKS = (
    "google.cloud.",
    "google.api_core",
    "grpc",
    "stripe",
    "razorpay",
    "firebase_admin",
    "opentelemetry",
    "segno",
    "cryptography",
    "PIL",
)


@dataclass(frozen=True)
class Import:
    """A module that a file imports; `at_top`: whenever the file is imported, not only when a function runs."""

    of: str
    at_top: bool
    line: int


@cache
def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = (path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py")))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in found}


@cache
def imports(module: str) -> tuple[Import, ...]:
    return tuple(imports_of(modules()[module].read_text()))


def imports_of(source: str) -> Iterator[Import]:
    """The imports of a file, without those for type checkers only."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(source), True)]
    while pending:
        node, at_top = pending.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_top, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            base = node.module or ""
            for alias in node.names:
                nested = f"{base}.{alias.name}"
                yield Import(nested if nested in modules() else base, at_top, node.lineno)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += [(child, at_top) for child in node.orelse]
        else:
            lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            pending += [(child, at_top and not lazy) for child in ast.iter_child_nodes(node)]


def domain(module: str) -> str | None:
    """The domain of a module of common, None for a platform file."""
    parts = module.split(".")
    return parts[1] if parts[0] == "common" and len(parts) > 2 else None


def offences(forbidden: Forbidden) -> list[str]:
    return [
        f"{module}:{found.line} imports {found.of}"
        for module in modules()
        for found in imports(module)
        if forbidden(module, found)
    ]


if TYPE_CHECKING:
    from collections.abc import Callable

    Forbidden = Callable[[str, Import], bool]


def test_the_reader_of_imports_sees_them_all() -> None:
    source = """
import json
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import stripe
else:
    import segno
try:
    import grpc
except ImportError:
    pass
class A:
    import razorpay
    def f(self):
        from google.cloud import firestore
async def g():
    if True:
        import common.clock
from common.tickets import qr, rules as r
"""
    found = {(each.of, each.at_top) for each in imports_of(source)}
    assert found == {
        ("json", True),
        ("typing", True),
        ("segno", True),
        ("grpc", True),
        ("razorpay", True),
        ("google.cloud", False),
        ("common.clock", False),
        ("common.tickets.qr", True),
        ("common.tickets.rules", True),
    }
    assert len(modules()) > 50


def test_functions_import_no_other_function() -> None:
    def forbidden(module: str, found: Import) -> bool:
        return found.of.split(".")[0] in {"functions", "triggers"}

    assert offences(forbidden) == []


def test_the_product_imports_no_tooling() -> None:
    assert offences(lambda _, found: found.of.split(".")[0] in TOOLING) == []


def test_platform_files_know_no_domain() -> None:
    def forbidden(module: str, found: Import) -> bool:
        return module.startswith("common.") and domain(module) is None and domain(found.of) is not None

    assert offences(forbidden) == []


def test_a_domain_uses_another_through_what_it_offers() -> None:
    def forbidden(module: str, found: Import) -> bool:
        here, there = domain(module), domain(found.of)
        if here is None or there is None or here == there or found.of in ALSO_OFFERED:
            return False
        return found.of.split(".")[2] not in OFFERED

    assert offences(forbidden) == []
    assert set(modules()) >= ALSO_OFFERED | SDK_ADAPTERS, "an exception for a file that is gone"


def test_a_function_imports_what_it_uses_of_common_only() -> None:
    def forbidden(module: str, found: Import) -> bool:
        return not module.startswith("common.") and not found.of.startswith("common.") and _third_party(found)

    # The SDKs are reached through stores and adapters; Starlette's Response is the one type that handlers may make.
    permitted = {"starlette.responses", "google.cloud.firestore"}
    assert [found for found in offences(forbidden) if found.rpartition(" ")[2] not in permitted] == []


def test_no_sdk_is_imported_at_the_top_of_a_file() -> None:
    def forbidden(module: str, found: Import) -> bool:
        if module in SDK_ADAPTERS or not found.at_top:
            return False
        return _third_party(found) and found.of.split(".")[0] not in ALLOWED_AT_TOP

    assert offences(forbidden) == []


def _third_party(found: Import) -> bool:
    root = found.of.split(".")[0]
    return root not in sys.stdlib_module_names and root not in PRODUCT


def test_adapters_that_load_an_sdk_are_imported_late() -> None:
    def forbidden(module: str, found: Import) -> bool:
        return module not in SDK_ADAPTERS and found.at_top and found.of in SDK_ADAPTERS

    assert offences(forbidden) == []


def test_there_is_no_cycle_at_import_time() -> None:
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail[trail.index(module) :], module))
        if module in finished:
            return
        for found in imports(module):
            if found.at_top and found.of in modules():
                visit(found.of, (*trail, module))
        finished.add(module)

    for module in modules():
        visit(module, ())


@pytest.mark.parametrize("folder", ["functions", "triggers"])
def test_importing_every_function_loads_no_sdk(folder: str) -> None:
    """What the files say may mislead; a fresh interpreter does not."""
    ours = [module for module in modules() if module.startswith(f"{folder}.")]
    assert ours
    script = f"""
import importlib, sys
for module in {ours!r}:
    importlib.import_module(module)
loaded = sorted(name for name in sys.modules if name.startswith({SDKS!r}))
print(*loaded)
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
