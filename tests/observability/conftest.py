"""Functions that record, and what reached the receiver of their spans."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from common.config import config
from tests.support.people import Json, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.server import GatewayThread


@dataclass(frozen=True)
class Traces:
    """The receiver, asked for one trace."""

    client: httpx.Client

    def spans(self, trace_id: str) -> list[Json]:
        answer = self.client.get(f"/traces/{trace_id}", headers={"Accept": "application/json"})
        return list(answer.json()["spans"])

    def names(self, trace_id: str) -> set[str]:
        return {span["name"] for span in self.spans(trace_id)}

    def with_all(self, trace_id: str, *names: str) -> list[Json]:
        """The spans of a trace once all of these names are among them."""
        return eventually(lambda: self.spans(trace_id) if self.names(trace_id) >= set(names) else None)

    def text(self, trace_id: str) -> str:
        return self.client.get(f"/traces/{trace_id}").text


@pytest.fixture
def traces() -> Iterator[Traces]:
    with httpx.Client(base_url=os.environ["LOCAL_SERVICES_URL"], trust_env=False) as client:
        yield Traces(client)


@pytest.fixture
def recording(gateway: GatewayThread, project: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Traces are on; the fixture's value changes settings, such as `recording(TRACE_RATIO="0")`."""

    def reconfigure(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        gateway.run(_start_anew())

    reconfigure(TRACES="on")
    yield reconfigure
    monkeypatch.delenv("TRACES")
    gateway.wait_idle()
    gateway.run(_start_anew())


async def _start_anew() -> None:
    """Channels are watched from the moment on at which they are opened."""
    from common import clients, spans

    await clients.close()
    spans.close()
    config.cache_clear()


class Trace(str):
    """A trace of this test's own, as an app would begin it."""

    __slots__ = ()

    @classmethod
    def new(cls) -> Trace:
        return cls(uuid4().hex)

    def header(self, *, sampled: bool = False) -> dict[str, str]:
        return {"traceparent": f"00-{self}-00f067aa0ba902b7-{sampled:02x}"}
