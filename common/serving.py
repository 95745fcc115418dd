"""`python -m common.serving` runs a deployed function: uvicorn, and nothing between it and the function.

The command `functions-framework` serves the same main.py, but loads Flask and a process manager first, which no
function of ours uses (docs/decisions/0024-cold-start.md).
"""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from common.endpoint import Endpoint
    from common.trigger import Trigger

# Cloud Run kills ten seconds after it asks to stop.
FINISH_WITHIN_S: Final = 9


def app(function: Endpoint | Trigger) -> ASGIApp:
    """The function, which answers every request whatever happens, as a web server calls it."""
    from starlette.requests import Request

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await function(Request(scope, receive))
            await response(scope, receive, send)
        finally:
            if not gc.isenabled():
                _collect_garbage()

    return serve


def _collect_garbage() -> None:
    """From now on; what is there by now stays for good, and is not looked through again."""
    gc.freeze()
    gc.enable()


def main() -> None:
    """Serve FUNCTION_TARGET of the main.py in the working directory at PORT."""
    # Until the first answer next to nothing becomes garbage: looking for it was a tenth of a cold start.
    gc.disable()
    # Looking for plugins, pydantic would read the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    import uvicorn

    uvicorn.run(
        app(getattr(import_module("main"), os.environ["FUNCTION_TARGET"])),
        host=os.environ.get("HOST", "0.0.0.0"),  # noqa: S104  # a container is reached from outside
        port=int(os.environ.get("PORT", "8080")),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
    )


if __name__ == "__main__":
    main()
