"""Importing a function loads no SDK."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from manifest.discover import discover

ROOT = Path(__file__).resolve().parents[2]
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
