"""A load generator that is not the bottleneck: keep-alive HTTP/1.1 on bare asyncio protocols."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """How one request went; times in seconds, `ended` on the clock of time.perf_counter."""

    status: int
    body: bytes
    took: float
    ended: float


class _Connection(asyncio.Protocol):
    """One request at a time; servers here always say how long their answer is."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(END_OF_HEAD)
        if head < 0:
            return
        length = CONTENT_LENGTH.search(self._received, 0, head)
        end = head + len(END_OF_HEAD) + (int(length[1]) if length else 0)
        if len(self._received) < end or self._waiting is None:
            return
        status, body = int(self._received[9:12]), bytes(self._received[head + len(END_OF_HEAD) : end])
        del self._received[:end]
        self._waiting.set_result((status, body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self._waiting = asyncio.get_running_loop().create_future()
        if self._transport is not None:
            self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def encode(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request as it goes over the wire, made before the clock runs."""
    fields = {"Host": "bench", "Content-Length": str(len(body))} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def send_all(urls: Sequence[str], requests: Sequence[bytes], at_once: int) -> list[Answer]:
    """Send each request once, `at_once` at a time, the connections spread over the servers."""
    left = iter(requests)
    return await _on_connections(urls, at_once, [left] * at_once, float("inf"))


async def send_for(urls: Sequence[str], request: bytes, at_once: int, seconds: float) -> list[Answer]:
    """Repeat one request for so long."""

    def again() -> Iterator[bytes]:
        while True:
            yield request

    return await _on_connections(urls, at_once, [again() for _ in range(at_once)], seconds)


async def _on_connections(
    urls: Sequence[str], at_once: int, streams: Sequence[Iterator[bytes]], seconds: float
) -> list[Answer]:
    connections = [await _connect(urls[number % len(urls)]) for number in range(at_once)]
    until = time.perf_counter() + seconds
    try:
        sent = (_send(connection, stream, until) for connection, stream in zip(connections, streams, strict=True))
        return [answer for answers in await asyncio.gather(*sent) for answer in answers]
    finally:
        for connection in connections:
            connection.close()


async def _connect(url: str) -> _Connection:
    server = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        _Connection, server.hostname or "", server.port or 80
    )
    return connection


async def _send(connection: _Connection, requests: Iterator[bytes], until: float) -> list[Answer]:
    answers = []
    for request in requests:
        began = time.perf_counter()
        if began > until:
            break
        status, body = await connection.ask(request)
        ended = time.perf_counter()
        answers.append(Answer(status, body, ended - began, ended))
    return answers
