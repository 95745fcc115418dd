"""Push delivery with the OIDC token that the Pub/Sub emulator leaves out: subscriptions push here, this forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from emulators.private_call import PrivateCaller


def routes(caller: PrivateCaller) -> list[Route]:
    """POST /push?target=URL answers with the target's status, which decides between ack and redelivery."""

    async def push(request: Request) -> Response:
        target = request.query_params.get("target", "")
        if not target.startswith("http"):
            return Response("the query must name a target URL", status_code=400)
        return Response(
            status_code=await caller.post(target, await request.body(), {"content-type": "application/json"})
        )

    return [Route("/push", push, methods=["POST"])]
