"""Each function starts alone: functions-framework serves three of them, and importing one loads no SDK."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from emulators.addresses import Ports
from manifest.discover import discover
from tests.support.people import eventually, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
ALONE = {
    "get_event": ("functions/events/get_event.py", "/v1/events/evt_unknown"),
    "create_order": ("functions/orders/create_order.py", "/v1/orders"),
    "settle_payment": ("triggers/payments/settle_payment.py", "/"),
}
# What each process start would pay for, if an import at the top of a file pulled it in.
SDKS = (
    *("google.cloud.firestore", "google.cloud.firestore_v1", "google.cloud.pubsub_v1", "google.cloud.tasks_v2"),
    *("google.cloud.storage", "google.api_core", "google.auth", "grpc", "firebase_admin", "stripe", "razorpay"),
    *("jinja2", "icalendar", "jwt", "cryptography", "httpx", "requests", "segno", "PIL"),
)
IMPORT_ALL = """
import importlib, sys

SDKS, NAMES = set(sys.argv[1].split(",")), sys.argv[2].split(",")
known = SDKS & sys.modules.keys()
assert not known, f"the starting point is not clean: {known}"
for name in NAMES:
    importlib.import_module(name)
    loaded = (SDKS & sys.modules.keys()) - known
    if loaded:
        print(name, *sorted(loaded))
    known |= loaded
"""


@pytest.fixture(scope="module")
def alone() -> Iterator[dict[str, str]]:
    """The URLs of three functions, each served by functions-framework in a process of its own."""
    environment = os.environ | {"PYTHONPATH": ".", "GOOGLE_CLOUD_PROJECT": "demo-alone"}
    ports = Ports.free()
    with ExitStack() as running:
        urls = {}
        for (name, (source, _)), port in zip(
            ALONE.items(), (ports.gateway, ports.firestore, ports.pubsub), strict=True
        ):
            command = [sys.executable, "-m", "functions_framework", "--asgi", "--host", "127.0.0.1"]
            command += ["--port", str(port), "--source", source, "--target", name]
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            running.callback(process.wait, 10)
            running.callback(process.terminate)
            urls[name] = f"http://127.0.0.1:{port}"
        for url in urls.values():
            eventually(partial(_answer, "OPTIONS", url), 30)
        yield urls


def _answer(method: str, url: str) -> httpx.Response | None:
    try:
        return httpx.request(method, url, trust_env=False, timeout=10)
    except httpx.TransportError:
        return None


def ask(alone: dict[str, str], name: str, method: str, path: str | None = None) -> httpx.Response:
    answer = _answer(method, alone[name] + (path or ALONE[name][1]))
    assert answer is not None
    return answer


def test_a_public_function_reads_its_data(alone: dict[str, str]) -> None:
    refused(ask(alone, "get_event", "GET"), 404, "not_found")
    refused(ask(alone, "get_event", "POST"), 405, "method_not_allowed")


def test_a_function_for_people_wants_a_token(alone: dict[str, str]) -> None:
    problem = refused(ask(alone, "create_order", "POST"), 401, "unauthenticated")
    assert problem["title"] == "A valid sign-in token is needed"


def test_a_private_function_wants_the_platforms_token(alone: dict[str, str]) -> None:
    refused(ask(alone, "settle_payment", "POST"), 401, "unauthenticated")


def test_a_function_serves_its_own_route_only(alone: dict[str, str]) -> None:
    refused(ask(alone, "get_event", "GET", "/v1/orders"), 404, "not_found")


def test_importing_a_function_loads_no_sdk() -> None:
    manifest = discover()
    names = [spec.module for spec in manifest.endpoints] + [spec.module for spec in manifest.triggers]
    command = [sys.executable, "-c", IMPORT_ALL, ",".join(SDKS), ",".join(names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_control_an_sdk_at_the_top_of_a_file_would_be_seen() -> None:
    command = [sys.executable, "-c", IMPORT_ALL, ",".join(SDKS), "emulators.topology"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "google.api_core" in done.stdout
    assert "grpc" in done.stdout
