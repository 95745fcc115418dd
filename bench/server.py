"""`python -m bench.server KIND PORT`: one process of the gateway, its costs counted or not, or the empty function."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.responses import JSONResponse
from starlette.routing import Route

from emulators.processes import HOST, Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request

ROOT: Final = Path(__file__).resolve().parent.parent
EMPTY: Final = "empty"
GATEWAY: Final = "gateway"
COUNTED: Final = "counted"


def program(kind: str, port: int, environment: Mapping[str, str]) -> Program:
    """How to start such a server."""
    command = (sys.executable, "-m", "bench.server", kind, str(port))
    return Program(f"bench-{kind}-{port}", command, port, "/healthz", environment, ROOT)


def _gateway() -> Starlette:
    from emulators.gateway import create_app

    return create_app()


def _counted() -> Starlette:
    """The gateway with one more route: what the process has spent since it was last asked."""
    from tests.support.cost_recorder import CostRecorder

    recorder = CostRecorder()
    recorder.start()

    async def spent(_: Request) -> JSONResponse:
        return JSONResponse(dataclasses.asdict(recorder.take()))

    app = _gateway()
    app.router.routes.insert(0, Route("/bench/spent", spent))
    return app


def _empty() -> Starlette:
    from functions_framework.aio import create_asgi_app

    app: Starlette = create_asgi_app(EMPTY, str(ROOT / "bench" / "empty_function.py"))
    return app


def main() -> None:
    kind, port = sys.argv[1:]
    app = {GATEWAY: _gateway, COUNTED: _counted, EMPTY: _empty}[kind]()
    uvicorn.run(app, host=HOST, port=int(port), loop="uvloop", http="httptools", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
