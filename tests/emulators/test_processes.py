"""No child outlives its starter, however that ends; a failed start says why in one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from emulators.addresses import Ports, is_free
from emulators.processes import HOST, Processes, Program, StartFailed

ROOT = Path(__file__).resolve().parents[2]
# A child with a grandchild in its group, one that ignores SIGTERM, and one that left for a session of its own.
FAMILY = "sleep 987 & (trap '' TERM; sleep 987; sleep 987) & setsid sleep 987 & wait"


def alive(mark: str) -> list[int]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            environment = (directory / "environ").read_bytes()
            state = (directory / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if f"FAMILY={mark}".encode() in environment and state != "Z":
            found.append(int(directory.name))
    return found


def until_gone(mark: str, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while left := alive(mark):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


def family(mark: str) -> Program:
    return Program("family", ("sh", "-c", FAMILY), port=1, environment={"FAMILY": mark})


def until_born(mark: str) -> None:
    deadline = time.monotonic() + 10
    while len(alive(mark)) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_stop_ends_children_grandchildren_and_deserters(tmp_path: Path) -> None:
    mark = f"stop-{os.getpid()}"
    with Processes(tmp_path) as processes:
        processes.start(family(mark))
        until_born(mark)
    assert alive(mark) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_starter_that_dies_takes_everything_along(number: signal.Signals, tmp_path: Path) -> None:
    """The starter handles no signal at all: the watchdog alone must do it."""
    mark = f"killed-{number.name}-{os.getpid()}"
    script = f"""
        import signal, time
        from pathlib import Path
        from emulators.processes import Processes, Program
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        processes = Processes(Path({str(tmp_path)!r}))
        processes.start(Program("family", ("sh", "-c", {FAMILY!r}), port=1, environment={{"FAMILY": {mark!r}}}))
        print("started", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        until_born(mark)
        # The whole group, as a terminal's Ctrl-C reaches it.
        os.killpg(starter.pid, number)
        assert starter.wait(10) == -number
    until_gone(mark)


def test_the_watchdog_ends_too(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    watchdog = processes._watchdog
    processes.stop()
    assert watchdog.returncode == 0


def test_a_child_that_dies_is_named_with_its_last_words_and_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start(Program("doomed", ("sh", "-c", "echo starting; echo no such jar >&2; exit 3"), port=1))
        with pytest.raises(StartFailed) as failed:
            processes.wait_ready(10)
        log = tmp_path / "doomed.log"
        assert str(failed.value) == f'doomed ended with exit code 3: "no such jar" (log: {log})'
        assert log.read_text() == "starting\nno such jar\n"
        assert processes.dead() == str(failed.value)


def test_a_silent_child_is_named_after_the_time_limit(tmp_path: Path) -> None:
    port = Ports.free().gateway
    with Processes(tmp_path) as processes:
        processes.start(Program("silent", ("sleep", "60"), port))
        with pytest.raises(StartFailed, match=r"^not ready after 0 s: silent \(log: .*silent\.log\)$"):
            processes.wait_ready(0.3)


def test_ready_means_that_the_health_path_answers_well(tmp_path: Path) -> None:
    port = Ports.free().gateway
    (tmp_path / "healthy").write_text("ok")
    command = (sys.executable, "-m", "http.server", str(port), "--bind", HOST, "--directory", str(tmp_path))
    ready: list[str] = []
    with Processes(tmp_path) as processes:
        processes.start(Program("server", command, port, "/healthy"))
        processes.wait_ready(20, report=lambda name, _: ready.append(name))
        assert ready == ["server"]
        assert processes.dead() is None
    with Processes(tmp_path) as processes:
        processes.start(Program("server", command, port, "/missing"))
        with pytest.raises(StartFailed, match="not ready"):
            processes.wait_ready(1)
    assert is_free(port)


def test_a_taken_port_is_named_with_who_needs_it_and_how_to_change_it() -> None:
    ports = Ports.free()
    ports.check()
    with socket.create_server((HOST, ports.firestore)), pytest.raises(StartFailed) as failed:
        ports.check()
    assert str(failed.value) == (
        f"port {ports.firestore}, needed by the Firestore emulator, is taken: free it or set MARQUEE_FIRESTORE_PORT"
    )
    ports.check()


def test_ports_come_from_the_environment() -> None:
    changed = Ports.from_environment({"MARQUEE_GATEWAY_PORT": "18000"})
    assert (changed.gateway, changed.firestore) == (18000, Ports().firestore)
    for text in ("0", "70000", "http", ""):
        with pytest.raises(StartFailed, match="MARQUEE_GATEWAY_PORT must be a port number"):
            Ports.from_environment({"MARQUEE_GATEWAY_PORT": text})
    with pytest.raises(StartFailed, match="is given to two parts"):
        Ports(gateway=Ports.free().gateway, auth=18099, storage=18099).check()
