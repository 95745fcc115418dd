"""Child processes of the local cloud: each ready or reported in one line, and none ever left behind.

Run as a script this file is the watchdog: it outlives its starter, even one that was killed, and ends the starter's
children. It imports the standard library alone, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HOST: Final = "127.0.0.1"
# Children carry it in their environment and hand it down, so a descendant is known even after it left its group.
MARK: Final = "MARQUEE_CHILD_OF"
GRACE_S: Final = 6.0
POLL_S: Final = 0.05


class StartFailed(Exception):
    """The local cloud cannot run; the text is the one line that a person needs."""


@dataclass(frozen=True)
class Program:
    """What to start. A server is ready when a GET of `health` on its port is answered below 400."""

    name: str
    command: tuple[str, ...]
    port: int = 0
    health: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    output: int | None = None


class Processes:
    """The children of one starter. `stop` ends all; so does the watchdog if the starter vanishes."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._token = secrets.token_hex(16)
        self._children: dict[str, tuple[Program, subprocess.Popen[bytes]]] = {}
        logs.mkdir(parents=True, exist_ok=True)
        # -I keeps this directory off the module path, where a file could shadow the standard library.
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, self._token],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self, name: str) -> Path:
        """Where the child of this name writes."""
        return self._logs / f"{name}.log"

    def start(self, program: Program) -> subprocess.Popen[bytes]:
        """Start it in a session of its own: a Ctrl-C in the terminal must reach the starter alone."""
        # Appending, because a starter that reads the output may add it to the same file.
        self.log(program.name).unlink(missing_ok=True)
        with self.log(program.name).open("ab") as log:
            child = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=program.output or log,
                stderr=subprocess.STDOUT if program.output is None else log,
                env={**os.environ, **program.environment, MARK: self._token},
                cwd=program.directory,
                start_new_session=True,
            )
        self._children[program.name] = (program, child)
        watchdog = self._watchdog.stdin
        if watchdog is not None:
            watchdog.write(f"{child.pid}\n".encode())
            watchdog.flush()
        return child

    def run(self, program: Program) -> None:
        """Start it and wait for its end; StartFailed when that is not a good one."""
        code = self.start(program).wait()
        del self._children[program.name]
        if code != 0:
            raise StartFailed(self._died(program.name, code))

    def wait_ready(self, timeout_s: float = 60, report: Callable[[str, float], None] | None = None) -> None:
        """Return when every child answers; StartFailed names the first that died or stayed silent."""
        began = time.monotonic()
        waiting = dict(self._children)
        while waiting:
            for name, (program, child) in list(waiting.items()):
                if child.poll() is not None:
                    raise StartFailed(self._died(name, child.returncode))
                if answers(program.port, program.health):
                    waiting.pop(name)
                    if report is not None:
                        report(name, time.monotonic() - began)
            if waiting and time.monotonic() - began > timeout_s:
                silent = ", ".join(f"{name} (log: {self.log(name)})" for name in waiting)
                raise StartFailed(f"not ready after {timeout_s:.0f} s: {silent}")
            time.sleep(POLL_S)

    def dead(self) -> str | None:
        """The line to print when a child that should be running has ended."""
        for name, (_, child) in self._children.items():
            if child.poll() is not None:
                return self._died(name, child.returncode)
        return None

    def stop(self) -> None:
        """End every child and whatever it started, politely first."""
        children = [child for _, child in self._children.values()]
        _signal_groups((child.pid for child in children if child.poll() is None), signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
        _kill(self._token, [child.pid for child in children])
        for child in children:
            child.wait()
        self._children.clear()
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        self._watchdog.wait()

    def _died(self, name: str, code: int) -> str:
        log = self.log(name)
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        last = f': "{lines[-1][:200]}"' if lines else ""
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"{name} {how}{last} (log: {log})"


def answers(port: int, path: str) -> bool:
    """Whether a local HTTP server answers this path below 400."""
    connection = HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _signal_groups(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _marked(token: str) -> list[int]:
    """Running processes that carry the mark. Without /proc (macOS) the groups alone must do."""
    mark = f"{MARK}={token}".encode()
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        # A process may end while it is read, and other people's are not ours to read.
        with contextlib.suppress(OSError):
            if mark in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def _kill(token: str, groups: Iterable[int]) -> None:
    """Kill until nothing is left: what is killed may just have started something."""
    _signal_groups(groups, signal.SIGKILL)
    for _ in range(100):
        left = _marked(token)
        if not left:
            return
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(POLL_S)


def watch(token: str) -> None:
    """Collect the groups until the starter closes the pipe, by intent or by dying; then end what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = [int(line) for line in sys.stdin]
    _kill(token, groups)


if __name__ == "__main__":
    watch(sys.argv[1])
