"""A function that does nothing, in the same framework: what every other function is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request


async def empty(request: Request) -> JSONResponse:
    """Answer."""
    return JSONResponse({})
