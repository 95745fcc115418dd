"""A bundle as it is deployed: unpacked alone, with its own packages and no others, started as its image is."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from socket import create_connection
from typing import TYPE_CHECKING, Final

from common.config import Config
from emulators.addresses import Ports
from emulators.installation import LOCAL
from emulators.processes import HOST, Processes, Program
from manifest.bundle import RECIPE, contents, modules, packed
from manifest.discover import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Environments stay: a later run needs neither time nor network for them.
ENVIRONMENTS: Final = LOCAL / "bundles"
COMPLETE: Final = "complete"
BOOTS_WITHIN_S: Final = 60
# What terraform/ sets for each function, and where the local cloud is. Of this process's environment nothing else.
SETTINGS: Final = (
    *(name.upper() for name in Config.__dataclass_fields__),
    *("GOOGLE_CLOUD_PROJECT", "FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"),
)


FRAMEWORK: Final = ("-I", "-m", "functions_framework", "--asgi")


class DidNotBoot(Exception):
    """The function ended, or stayed silent; the text is what it said last."""


class NotInstalled(Exception):
    """A bundle's packages could not be installed; the text says why."""


@dataclass(frozen=True)
class Unpacked:
    """A function's bundle in a folder of its own."""

    function: str
    folder: Path

    def python(self) -> Path:
        """The interpreter of an environment that has what requirements.txt says, and nothing else."""
        return environment(self.folder / "requirements.txt")


def build_settings() -> dict[str, str]:
    """What the recipe of images sets for the buildpacks."""
    return dict(re.findall(r"--env=(\w+)=(.+)", (ROOT / RECIPE).read_text()))


def as_deployed() -> tuple[str, ...]:
    """What an image gives Python to start; here it looks for no packages of the user's besides."""
    python, *arguments = build_settings()["GOOGLE_ENTRYPOINT"].split()
    assert python == "python"
    return ("-E", "-s", *arguments)


def unpack(name: str, folder: Path) -> Unpacked:
    """The bundle of this function, made, zipped and unpacked."""
    with zipfile.ZipFile(io.BytesIO(packed(contents(modules()[name], name)))) as archive:
        archive.extractall(folder)
    return Unpacked(name, folder)


def environment(requirements: Path) -> Path:
    """The interpreter of an environment with exactly these packages. Bundles with the same share it."""
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ENVIRONMENTS / key
    python = folder / "bin" / "python"
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / COMPLETE).exists():
            _uv("venv", "--clear", "--no-project", "--python", sys.executable, str(folder))
            _uv("pip", "sync", "--require-hashes", "--compile-bytecode", "--python", str(python), str(requirements))
            _uv("pip", "check", "--python", str(python))
            (folder / COMPLETE).touch()
    return python


def _uv(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"uv {' '.join(arguments)} (the first time this needs PyPI): {done.stderr.strip()[-1000:]}")


@contextmanager
def running(bundle: Unpacked, start: tuple[str, ...] | None = None) -> Iterator[str]:
    """The URL of the function in a process that knows the bundle, its packages and its settings, and ends with this."""
    port = Ports.free().gateway
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    settings |= {"FUNCTION_TARGET": bundle.function, "HOST": HOST, "PORT": str(port)}
    variables = (f"{name}={value}" for name, value in settings.items())
    command = ("env", "-i", *variables, str(bundle.python()), *(start or as_deployed()))
    with Processes(bundle.folder.parent / "logs") as processes:
        log = processes.log(bundle.function)
        process = processes.start(Program(bundle.function, command, port, directory=bundle.folder))
        deadline = time.monotonic() + BOOTS_WITHIN_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DidNotBoot(log.read_text()[-3000:])
            time.sleep(0.05)
        yield f"http://{HOST}:{port}"


def _listens(port: int) -> bool:
    try:
        create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True
