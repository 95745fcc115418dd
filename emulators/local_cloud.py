"""The whole local cloud as one thing to start and stop, for `make run` and for the tests alike."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

import httpx

from emulators import addresses
from emulators.addresses import PROJECT, Ports, url
from emulators.installation import LOCAL, ROOT, find_or_install
from emulators.processes import HOST, Processes, Program, StartFailed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

MEDIA_EVENTS: Final = "media-events"


class LocalCloud:
    """Emulators and stand-ins of one project. The Auth emulator signs phones in for this project only."""

    def __init__(
        self,
        ports: Ports | None = None,
        project: str = PROJECT,
        state: Path = LOCAL,
        rules: Path = ROOT / "firestore.rules",
    ) -> None:
        self.ports = Ports.from_environment() if ports is None else ports
        self.project = project
        self.state = state
        self.rules = rules
        self._processes: Processes | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """What a program needs to work with this cloud."""
        return addresses.environment(self.ports, self.project, self.state)

    def start(self, report: Callable[[str, float], None] | None = None) -> None:
        """Return when all of it is ready. After a StartFailed, or any other error, nothing runs."""
        self.launch()
        self.wait_ready(report)

    def launch(self) -> None:
        """Start all of it side by side, without waiting."""
        if not self.rules.exists():
            raise StartFailed(f"{self.rules} is missing: without it the Firestore emulator lets everybody read all")
        installed = find_or_install()
        self.ports.check()
        self._processes = Processes(self.state / "logs")
        ports, host, environment = self.ports, HOST, self.environment()
        storage = url(ports.storage)
        programs = (
            # The slowest starts first.
            Program("auth", (*installed.auth, self.project, host, str(ports.auth)), ports.auth),
            Program(
                "firestore",
                (
                    *installed.firestore,
                    *(f"--host={host}", f"--port={ports.firestore}", f"--rules={self.rules}"),
                    # The Eventarc stand-in takes the place of the Functions emulator.
                    f"--functions_emulator={host}:{ports.services}",
                ),
                ports.firestore,
            ),
            Program(
                "services", (sys.executable, "-m", "emulators.services"), ports.services, "/healthz", environment, ROOT
            ),
            Program("pubsub", (*installed.pubsub, f"--host={host}", f"--port={ports.pubsub}"), ports.pubsub),
            Program(
                "storage",
                (
                    *installed.storage,
                    *("-scheme", "http", "-host", host, "-port", str(ports.storage), "-backend", "memory"),
                    *("-external-url", storage, "-public-host", f"{host}:{ports.storage}"),
                    *("-event.pubsub-project-id", self.project, "-event.pubsub-topic", MEDIA_EVENTS),
                    *("-event.list", "finalize,delete"),
                ),
                ports.storage,
                "/storage/v1/b",
                environment,
            ),
        )
        try:
            for program in programs:
                self._processes.start(program)
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, report: Callable[[str, float], None] | None = None) -> None:
        """Return when everything launched answers, and the media bucket exists."""
        try:
            self.processes.wait_ready(report=report)
            self._create_bucket()
        except BaseException:
            self.stop()
            raise

    def start_gateway(self, workers: int, output: int | None = None) -> subprocess.Popen[bytes]:
        """All functions on the gateway's port; `output` takes what they log."""
        server = (sys.executable, "-m", "uvicorn", "emulators.gateway:app", "--loop", "uvloop", "--http", "httptools")
        options = ("--host", HOST, "--port", str(self.ports.gateway), "--workers", str(workers))
        quiet = ("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2")
        return self.processes.start(
            Program(
                "gateway",
                (*server, *options, *quiet),
                self.ports.gateway,
                "/healthz",
                self.environment(),
                ROOT,
                output,
            )
        )

    def stop(self) -> None:
        """End everything. Harmless when nothing runs."""
        if self._processes is not None:
            self._processes.stop()
            self._processes = None

    @property
    def processes(self) -> Processes:
        if self._processes is None:
            raise RuntimeError("the local cloud is not running")
        return self._processes

    def _create_bucket(self) -> None:
        bucket = {"name": f"{self.project}-media", "location": addresses.LOCATION}
        with httpx.Client(trust_env=False) as client:
            reply = client.post(
                f"{url(self.ports.storage)}/storage/v1/b", params={"project": self.project}, json=bucket
            )
        if not reply.is_success:
            raise StartFailed(f"the media bucket could not be created: {reply.status_code} {reply.text[:200]}")


def main() -> None:
    """Start on free ports, say how long each part took, stop: `python -m emulators.local_cloud`."""
    began = time.monotonic()
    with LocalCloud(Ports.free(), state=LOCAL / "check") as cloud:
        print(f"ready after {time.monotonic() - began:.1f} s: {cloud.ports}")
        began = time.monotonic()
    print(f"stopped after {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
