"""The kernel without a cloud: a project id, a key set, and declared functions called over ASGI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from common.config import config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.endpoint import Endpoint
    from common.trigger import Trigger
    from tests.support.people import SigningKeys
    from tests.support.server import AnswerThread

PROJECT = "demo-kernel"
TRIGGERS = "https://functions.test/triggers/{name}"
INVOKER = "invoker@demo-kernel.iam.gserviceaccount.com"


@pytest.fixture(autouse=True)
def kernel(keys_server: AnswerThread, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a deployed function whose keys are the tests'."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    monkeypatch.setenv("FIREBASE_KEYS_URL", keys_server.url)
    monkeypatch.setenv("OIDC_KEYS_URL", keys_server.url)
    monkeypatch.setenv("INVOKER_SERVICE_ACCOUNT", INVOKER)
    monkeypatch.setenv("TRIGGER_URL_TEMPLATE", TRIGGERS)
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://marquee.example,https://organizers.marquee.example")
    monkeypatch.delenv("FIREBASE_AUTH_EMULATOR_HOST", raising=False)
    config.cache_clear()
    yield
    config.cache_clear()


@pytest.fixture
def signed_in(signing_keys: SigningKeys) -> dict[str, str]:
    """The header of a signed-in caller named asha."""
    return {"Authorization": f"Bearer {signing_keys.token(PROJECT, 'asha')}"}


async def fetch(function: Endpoint | Trigger, method: str, path: str, **request: Any) -> httpx.Response:
    """What the function answers, as functions-framework would serve it: at every path and for every method."""
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    app = Starlette(routes=[Route("/{path:path}", function, methods=methods)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://function.test") as client:
        return await client.request(method, path, **request)


def ask(function: Endpoint | Trigger, method: str, path: str, **request: Any) -> httpx.Response:
    """The same, from outside a loop."""
    return asyncio.run(fetch(function, method, path, **request))
