"""`make run`: the whole product on this machine, from nothing to a seeded city, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emulators import request_lines, topology
from emulators.installation import LOCAL, ROOT
from emulators.local_cloud import MEDIA_EVENTS, LocalCloud
from emulators.processes import Program, StartFailed

if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

TOUR: Final = ROOT / "emulators" / "tour.sh"
# Where env, logs and the ticket key go, for a second cloud beside the first.
STATE_VARIABLE: Final = "MARQUEE_STATE"
STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WATCH_S: Final = 0.5


class Stopped(BaseException):
    """A signal asked for the end; no `except Exception` on the way may swallow it."""


def main() -> int:
    began = time.monotonic()
    for number in STOPPING:
        signal.signal(number, _stop)
    try:
        cloud = LocalCloud(state=Path(os.environ.get(STATE_VARIABLE) or LOCAL).resolve())
        cloud.ports.check()
        workers = _gateway_workers()
        try:
            announced = _start(cloud, workers)
            _announce(cloud, time.monotonic() - began)
            announced.set()
            _watch(cloud)
        finally:
            # From here on nothing may interrupt: a second Ctrl-C would leave the rest running.
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)
            print("\nstopping …", flush=True)
            cloud.stop()
            print("stopped", flush=True)
    except StartFailed as failed:
        print(f"error: {failed}", file=sys.stderr)
        return 1
    except Stopped:
        return 0


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


def _gateway_workers() -> int:
    text = os.environ.get("MARQUEE_GATEWAY_WORKERS", "1")
    if not text.isdigit() or int(text) < 1:
        raise StartFailed(f"MARQUEE_GATEWAY_WORKERS must be a number of processes, not {text!r}")
    return int(text)


def _start(cloud: LocalCloud, workers: int) -> threading.Event:
    """Everything up and seeded; once the event is set, requests are shown."""
    cloud.launch()
    print("starting the emulators and the gateway (about 8 s) …", flush=True)
    environment = cloud.environment()
    os.environ.update(environment)
    announced = threading.Event()
    _start_gateway(cloud, workers, announced)
    # Importing all functions takes a second, in which the emulators start.
    from manifest.discover import discover

    manifest = discover()
    cloud.wait_ready(report=lambda name, seconds: print(f"  {name} ready after {seconds:.1f} s", flush=True))
    deployment = topology.deploy(cloud.project, environment, manifest, schedules=True, topics=(MEDIA_EVENTS,))
    asyncio.run(deployment)
    _write_environment(cloud, environment)
    cloud.processes.run(
        Program("seed", (sys.executable, "-m", "emulators.seed"), directory=ROOT, output=sys.stdout.fileno())
    )
    return announced


def _start_gateway(cloud: LocalCloud, workers: int, announced: threading.Event) -> None:
    """What the functions log comes through a pipe, to be read by people and kept for programs."""
    reader, writer = os.pipe()
    cloud.start_gateway(workers, output=writer)
    os.close(writer)
    log = cloud.processes.log("gateway")

    def follow() -> None:
        with os.fdopen(reader, "rb") as source, log.open("ab") as kept:
            request_lines.follow(source, kept, announced, colour=sys.stdout.isatty())

    threading.Thread(target=follow, daemon=True).start()


def _environment_file(cloud: LocalCloud) -> Path:
    return cloud.state / "env"


def _write_environment(cloud: LocalCloud, environment: dict[str, str]) -> None:
    """NAME=value lines, which a shell and every dotenv reader take alike."""
    file = _environment_file(cloud)
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))


def _announce(cloud: LocalCloud, seconds: float) -> None:
    of = cloud.environment()
    tour = TOUR.read_text().partition("# --- the tour\n")[2]
    traces = "with TRACES=on make run" if os.environ.get("TRACES") != "on" else of["LOCAL_SERVICES_URL"] + "/traces"
    elsewhere = "" if cloud.state == LOCAL else f"{STATE_VARIABLE}={cloud.state} "
    print(f"""
Marquee is up after {seconds:.0f} s. Ctrl-C stops everything.

  API                {of["GATEWAY_URL"]}
  API reference      {of["GATEWAY_URL"]}/docs
  Stripe, to pay     {of["STRIPE_PAY_URL"]}
  Razorpay, to pay   {of["RAZORPAY_PAY_URL"]}
  Paystack, to pay   {of["PAYSTACK_PAY_URL"]}
  Messages sent      {of["INBOX_URL"]}
  Auth emulator      http://{of["FIREBASE_AUTH_EMULATOR_HOST"]}
  For other clients  set -a; . {_shown(_environment_file(cloud))}; set +a
  Logs               {_shown(cloud.state / "logs")}
  Traces             {traces}

The tour, from a phone number to the door. Paste it into another terminal, or run: {elsewhere}bash {_shown(TOUR)}

set -a; . {_environment_file(cloud)}; set +a
{tour}
Requests:""")
    sys.stdout.flush()


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _watch(cloud: LocalCloud) -> NoReturn:
    """A part that ends takes the whole down: half a cloud only puzzles."""
    while True:
        line = cloud.processes.dead()
        if line is not None:
            raise StartFailed(line)
        time.sleep(WATCH_S)


if __name__ == "__main__":
    sys.exit(main())
