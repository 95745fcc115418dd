"""One function in a new process, and the first answer that it gives."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from emulators.addresses import Ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 60.0
POLL_S: Final = 0.002
# What Python writes of each import where it is told to.
IMPORTED: Final = "import time:"
ANSWER: Final = "HTTP/1.1 "


class ColdStartFailed(Exception):
    """A process gave no answer that may be measured."""


@dataclass(frozen=True)
class Start:
    """The command, the folder of the unpacked bundle, where packages are, and the function in the bundle's main.py."""

    command: tuple[str, ...]
    folder: Path
    packages: str
    target: str


@dataclass(frozen=True)
class Request:
    """What is asked first."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encoded(self) -> bytes:
        """As it is sent."""
        headers = {**self.headers, "host": HOST, "connection": "close", "content-length": str(len(self.body))}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True)
class Answer:
    """Milliseconds from the start of the process to the first byte of its answer, and what it had written by then."""

    ms: float
    wrote: str


def first_answer(start: Start, request: Request, **variables: str) -> Answer:
    """Start the process, ask as soon as it listens, and end it. ColdStartFailed unless the answer is a success."""
    port = Ports.free().gateway
    variables |= {"FUNCTION_TARGET": start.target, "PYTHONPATH": start.packages, "HOST": HOST, "PORT": str(port)}
    log = start.folder / "output"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            start.command,
            cwd=start.folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        with _ended(process), _connected(process, port) as connection:
            connection.sendall(request.encoded())
            answer = connection.recv(65_536)
            ms = (time.perf_counter() - began) * 1000
            while more := connection.recv(65_536):
                answer += more
    said, wrote = answer.decode(), log.read_text()
    if not said.startswith((f"{ANSWER}2", f"{ANSWER}3")):
        raise ColdStartFailed(f"{start.target} answered {said or 'nothing'}\n{wrote[-500:]}")
    return Answer(ms, wrote)


def modules_imported(start: Start, request: Request) -> int:
    """How many modules were imported by the time of the first answer."""
    lines = first_answer(start, request, PYTHONPROFILEIMPORTTIME="1").wrote.splitlines()
    return sum(line.startswith(IMPORTED) and line.split("|")[1].strip().isdigit() for line in lines)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _connected(process: subprocess.Popen[bytes], port: int) -> socket.socket:
    deadline = time.perf_counter() + PATIENCE_S
    while process.poll() is None and time.perf_counter() < deadline:
        try:
            return socket.create_connection((HOST, port), timeout=PATIENCE_S)
        except ConnectionRefusedError:
            time.sleep(POLL_S)
    raise ColdStartFailed(f"{process.args!r} ended or did not listen within {PATIENCE_S:.0f} s")
