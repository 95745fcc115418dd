"""`make run` as a person sees it: up, seeded, its tour works as printed, and gone without a trace after Ctrl-C."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from emulators.addresses import Ports, is_free, variable
from emulators.processes import HOST
from tests.support.people import accepted, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MARK = "MARQUEE_LAUNCHED_BY"
WITHIN_S = 120
ANNOUNCED = {
    "GATEWAY_URL",
    "GOOGLE_CLOUD_PROJECT",
    "FIRESTORE_EMULATOR_HOST",
    "PUBSUB_EMULATOR_HOST",
    "FIREBASE_AUTH_EMULATOR_HOST",
    "STORAGE_EMULATOR_HOST",
    "CLOUD_TASKS_EMULATOR_HOST",
    "STRIPE_API_BASE",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "RAZORPAY_API_BASE",
    "RAZORPAY_KEY_ID",
    "RAZORPAY_KEY_SECRET",
    "RAZORPAY_WEBHOOK_SECRET",
    "PAYSTACK_API_BASE",
    "PAYSTACK_SECRET_KEY",
}


@dataclass
class Launched:
    """`python -m emulators.launcher` with what it has printed so far."""

    ports: Ports
    state: Path
    mark: str = field(default_factory=lambda: uuid4().hex)
    lines: list[str] = field(default_factory=list)

    def start(self, **more: str) -> None:
        own = {variable(name): str(port) for name, port in dataclasses.asdict(self.ports).items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emulators.launcher"],
            cwd=ROOT,
            env=_clean_environment() | own | {"MARQUEE_STATE": str(self.state), MARK: self.mark} | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,))
        self._reader.start()

    def _read(self, output: IO[str]) -> None:
        with output:
            self.lines.extend(line.rstrip("\n") for line in output)

    @property
    def text(self) -> str:
        return "\n".join(list(self.lines))

    def until_up(self) -> None:
        def up() -> bool | None:
            assert self.process.poll() is None, self.text
            return "Requests:" in self.lines or None

        eventually(up, WITHIN_S)

    def end(self, number: signal.Signals) -> int:
        """The exit code after this signal, once everything printed is read."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(10)
        return code

    def left(self) -> list[str]:
        """The commands of the processes that still run, the launcher's or any it started."""
        return [command for directory in Path("/proc").glob("[0-9]*") if (command := self._ours(directory))]

    def _ours(self, directory: Path) -> str | None:
        try:
            if f"{MARK}={self.mark}".encode() not in (directory / "environ").read_bytes().split(b"\0"):
                return None
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return None
        return f"{directory.name} {command}"


def _clean_environment() -> dict[str, str]:
    """A person's terminal: nothing of the cloud that runs the tests."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "JAVA_HOME", "TMPDIR", "VIRTUAL_ENV", "CLOUDSDK_ROOT"}
        or name == "FIREBASE_EMULATORS_PATH"
    }


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    run = Launched(Ports.free(), tmp_path / "state")
    yield run
    if run.process.poll() is None:
        run.end(signal.SIGTERM)


def variables(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def test_from_start_to_ctrl_c(launched: Launched) -> None:
    launched.start()
    launched.until_up()
    assert len(launched.left()) >= 7

    file = launched.state / "env"
    environment = variables(file)
    assert environment.keys() >= ANNOUNCED
    assert all(environment[name] for name in ANNOUNCED)
    assert file.stat().st_mode & 0o077 == 0
    assert not any(character in line for line in file.read_text().splitlines() for character in " '\"$`")
    assert sourced(file) == environment

    gateway = f"http://{HOST}:{launched.ports.gateway}"
    assert environment["GATEWAY_URL"] == gateway
    for shown in (
        gateway,
        f"{gateway}/docs",
        *(environment[f"{name}_URL"] for name in ("STRIPE_PAY", "RAZORPAY_PAY", "PAYSTACK_PAY", "INBOX")),
    ):
        assert re.search(rf"^  \w.*  {re.escape(shown)}$", launched.text, re.MULTILINE), shown
        assert httpx.get(shown, trust_env=False).status_code in ({404} if shown == gateway else {200})
    assert re.search(r"^Seeded 2\d\d events of \d+ organizations in \d+ s$", launched.text, re.MULTILINE)
    assert events_around(gateway, 19.076, 72.8777) >= 10
    assert events_around(gateway, 6.5244, 3.3792) >= 5

    # Pasted as printed, and run as a file.
    printed = launched.text.partition("or run: ")[2].partition("Requests:")[0]
    command, _, pasted = printed.partition("\n")
    for tour in (pasted, command):
        assert walked(tour) == ["admitted", "already_used"]
    eventually(lambda: "/check-ins" in launched.text)
    request_lines = launched.text.partition("Requests:")[2].split("\n")[1:]
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d 201 POST   /v1/orders  .*", line) for line in request_lines)

    assert launched.end(signal.SIGINT) == 0
    assert launched.lines[-1] == "stopped"
    assert "Traceback" not in launched.text
    assert launched.left() == []
    assert all(is_free(port) for port in dataclasses.asdict(launched.ports).values())


def sourced(file: Path) -> dict[str, str]:
    """The variables as a shell reads them."""
    script = f"env -i sh -c 'set -a; . {shlex.quote(str(file))}; env'"
    done = subprocess.run(script, shell=True, capture_output=True, text=True, check=True, timeout=20)
    shell_own = {"PWD", "SHLVL", "_", "OLDPWD"}
    return {
        name: value
        for name, value in (line.split("=", 1) for line in done.stdout.splitlines())
        if name not in shell_own
    }


def events_around(gateway: str, latitude: float, longitude: float) -> int:
    """How many events a person in this city finds."""
    around = {"latitude": latitude, "longitude": longitude, "radiusKm": 50, "limit": 100}
    answer = httpx.get(f"{gateway}/v1/events/nearby", params=around, trust_env=False, timeout=30)
    return len(accepted(answer)["items"])


def walked(script: str) -> list[str]:
    """The last two lines of the tour in a shell of its own: what the door said."""
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=ROOT,
        env=_clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-2:]


def test_a_taken_port_is_one_clear_line(launched: Launched) -> None:
    with socket.create_server((HOST, launched.ports.pubsub)):
        launched.start()
        assert launched.process.wait(30) == 1
        launched._reader.join(10)
    problem = f"port {launched.ports.pubsub}, needed by the Pub/Sub emulator, is taken"
    assert launched.lines == [f"error: {problem}: free it or set MARQUEE_PUBSUB_PORT"]
    assert launched.left() == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("MARQUEE_GATEWAY_PORT", "http", "error: MARQUEE_GATEWAY_PORT must be a port number, not 'http'"),
        (
            "MARQUEE_GATEWAY_WORKERS",
            "two",
            "error: MARQUEE_GATEWAY_WORKERS must be a number of processes, not 'two'",
        ),
    ],
)
def test_a_setting_that_is_none_is_one_clear_line(launched: Launched, name: str, value: str, line: str) -> None:
    launched.start(**{name: value})
    assert launched.process.wait(30) == 1
    launched._reader.join(10)
    assert launched.lines == [line]
    assert launched.left() == []


def test_ctrl_c_before_it_is_up_leaves_nothing_either(launched: Launched) -> None:
    launched.start()
    eventually(lambda: any(" ready after " in line for line in list(launched.lines)), WITHIN_S)
    assert launched.end(signal.SIGINT) == 0
    assert launched.lines[-1] == "stopped"
    assert "Traceback" not in launched.text
    assert launched.left() == []


def test_the_tour_without_a_cloud_says_what_to_do(tmp_path: Path) -> None:
    bash = shutil.which("bash") or "bash"
    done = subprocess.run(
        [bash, "emulators/tour.sh"],
        cwd=ROOT,
        env=_clean_environment() | {"MARQUEE_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "start the local cloud first: make run\n")
