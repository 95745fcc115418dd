"""One process hosts every stand-in of ours: tokens, tasks, events, schedules, pushes, payment providers, inbox."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators import fake_paystack, fake_razorpay, fake_stripe, message_inbox, pubsub_push
from emulators.cloud_tasks import CloudTasksEmulator
from emulators.eventarc import Eventarc
from emulators.identity import LocalIdentity
from emulators.private_call import PrivateCaller
from emulators.processes import HOST
from emulators.scheduler import Scheduler
from emulators.trace_receiver import TraceReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request


class Server(uvicorn.Server):
    """Several run in one loop, so none of them takes the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def local_services(
    identity: LocalIdentity, caller: PrivateCaller, eventarc: Eventarc, scheduler: Scheduler
) -> Starlette:
    """Google's small services on one port: the key set, Pub/Sub's pushes, traces, and the control of events and
    schedules."""

    async def certs(_: Request) -> Response:
        return JSONResponse(identity.jwks(), headers={"cache-control": "public, max-age=3600"})

    async def health(_: Request) -> Response:
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/oauth2/v3/certs", certs),
            Route("/healthz", health),
            *pubsub_push.routes(caller),
            *eventarc.routes(),
            *scheduler.routes(),
            *TraceReceiver().routes(),
        ]
    )


def _port(variable: str) -> int:
    value = os.environ[variable]
    port = urlsplit(value if "://" in value else f"//{value}").port
    if port is None:
        raise ValueError(f"{variable} names no port: {value}")
    return port


async def serve() -> None:
    """Serve all until a signal comes. /healthz answers last: whoever waits for it finds everything else open."""
    identity = LocalIdentity()
    caller = PrivateCaller(identity, os.environ["INVOKER_SERVICE_ACCOUNT"])
    eventarc = Eventarc(os.environ["FIRESTORE_EMULATOR_HOST"], os.environ["LOCATION"], caller)
    scheduler = Scheduler(caller)
    tasks = CloudTasksEmulator(identity)
    await tasks.start(HOST, _port("CLOUD_TASKS_EMULATOR_HOST"))
    apps = [
        (fake_stripe.create_app(), "STRIPE_API_BASE"),
        (fake_razorpay.create_app(), "RAZORPAY_API_BASE"),
        (fake_paystack.create_app(), "PAYSTACK_API_BASE"),
        (message_inbox.create_app(), "INBOX_URL"),
        (local_services(identity, caller, eventarc, scheduler), "LOCAL_SERVICES_URL"),
    ]
    servers = [
        Server(uvicorn.Config(app, host=HOST, port=_port(name), log_level="warning", timeout_graceful_shutdown=1))
        for app, name in apps
    ]
    running: list[asyncio.Task[None]] = []
    for server in servers:
        running.append(asyncio.create_task(server.serve()))
        while not server.started and not running[-1].done():
            await asyncio.sleep(0.01)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    ticker = asyncio.create_task(scheduler.run())
    ended = asyncio.create_task(stopping.wait())
    await asyncio.wait([ended, ticker, *running], return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    ticker.cancel()
    ended.cancel()
    await eventarc.close()
    await asyncio.gather(ticker, ended, *running, return_exceptions=True)
    await tasks.stop()
    await caller.close()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A line for each call would bury the few that matter.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
