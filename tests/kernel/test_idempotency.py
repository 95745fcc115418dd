"""A repeat of an Idempotency-Key gets the first reply, and the work is done once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from common import clients, clock
from common.access import Access
from common.endpoint import Call, Endpoint, Idempotency, endpoint
from common.errors import Problem
from common.idempotency import CLAIM_LASTS
from common.wire import Wire
from tests.kernel.conftest import fetch
from tests.support.people import accepted, refused

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import httpx

    from tests.support.people import Json, SigningKeys
    from tests.support.server import GatewayThread


class Gift(Wire):
    """What is given."""

    amount: int


class Receipt(Wire):
    """What was done."""

    number: int
    gift_id: str


class Refused(Problem):
    status, code, title = 409, "refused", "Not now"


@dataclass
class Work:
    """An endpoint with a handler that counts its runs, and fails or waits as a test wants."""

    gateway: GatewayThread
    project: str
    keys: SigningKeys
    runs: int = 0
    failure: BaseException | None = None
    gate: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    gift_ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.give = self.declared("/v1/people/{personId}/gifts")

    def declared(self, path: str, name: str = "give") -> Endpoint:
        async def give(call: Call[Gift]) -> Receipt:
            """Give."""
            self.runs += 1
            self.gift_ids.add(call.id_for("gft"))
            self.started.set()
            if self.gate is not None:
                await self.gate.wait()
            if self.failure is not None:
                raise self.failure
            return Receipt(number=self.runs, gift_id=call.id_for("gft"))

        give.__name__ = name
        declare = endpoint(
            "POST",
            path,
            access=Access.SIGNED_IN,
            body=Gift,
            returns=Receipt,
            status=201,
            idempotency=Idempotency.RECORDED,
        )
        return declare(give)

    async def send(
        self, key: str | None, *, amount: int = 1, user: str = "asha", to: str = "ravi", raw: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys.token(self.project, user)}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        body = raw or f'{{"amount": {amount}}}'
        return await fetch(self.give, "POST", f"/v1/people/{to}/gifts", content=body, headers=headers)

    def ask(self, key: str | None, **more: object) -> httpx.Response:
        return self.gateway.run(self.send(key, **more))  # type: ignore[arg-type]  # passed on as they are

    def together(self, *asked: Coroutine[None, None, httpx.Response]) -> list[httpx.Response]:
        async def all_of_them() -> list[httpx.Response]:
            return list(await asyncio.gather(*asked))

        return self.gateway.run(all_of_them())

    def die_midway(self, key: str) -> None:
        """A first request whose process ends before its reply: nothing after the handler's start happens."""

        async def started_then_gone() -> None:
            self.gate, self.started = asyncio.Event(), asyncio.Event()
            request = asyncio.ensure_future(self.send(key))
            await self.started.wait()
            request.cancel()
            await asyncio.wait([request])
            self.gate = None

        self.gateway.run(started_then_gone())


@pytest.fixture
def work(gateway: GatewayThread, project: str, signing_keys: SigningKeys) -> Work:
    return Work(gateway, project, signing_keys)


@pytest.fixture
def key() -> str:
    return uuid4().hex


def pass_time(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    later = clock.now() + by
    monkeypatch.setattr(clock, "now", lambda: later)


def test_a_repeat_gets_the_first_reply(work: Work, key: str) -> None:
    first = work.ask(key)
    again = work.ask(key)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, again.content)
    assert again.headers["content-type"] == "application/json"
    assert accepted(again)["number"] == 1
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert work.runs == 1


def test_without_a_key_every_request_is_its_own(work: Work) -> None:
    assert [accepted(work.ask(None))["number"] for _ in range(2)] == [1, 2]
    assert len(work.gift_ids) == 2


def test_the_same_key_for_something_else_is_refused(work: Work, key: str) -> None:
    accepted(work.ask(key))
    refused(work.ask(key, amount=2), 422, "idempotency_key_reused")
    refused(work.ask(key, to="zoya"), 422, "idempotency_key_reused")
    assert accepted(work.ask(key, raw='{ "amount" :1 }'))["number"] == 1, "spacing is not a difference"
    assert work.runs == 1


def test_a_key_belongs_to_its_caller_and_endpoint(work: Work, key: str) -> None:
    accepted(work.ask(key))
    accepted(work.ask(key, user="zoya"))
    work.give = work.declared("/v1/people/{personId}/gifts", name="give_again")
    accepted(work.ask(key))
    assert work.runs == 3


def test_while_the_first_is_running_a_repeat_is_told_to_come_back(work: Work, key: str) -> None:
    async def overlapping() -> tuple[httpx.Response, httpx.Response]:
        work.gate, work.started = asyncio.Event(), asyncio.Event()
        first = asyncio.ensure_future(work.send(key))
        await work.started.wait()
        second = await work.send(key)
        work.gate.set()
        return await first, second

    first, second = work.gateway.run(overlapping())
    refused(second, 409, "request_in_progress")
    assert int(second.headers["retry-after"]) >= 1
    assert accepted(work.ask(key)) == accepted(first)
    assert work.runs == 1


def test_of_many_at_once_one_does_the_work(work: Work, key: str) -> None:
    replies = work.together(*(work.send(key) for _ in range(8)))
    assert work.runs == 1
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert {accepted(reply)["number"] for reply in replies if reply.status_code == 201} == {1}


@pytest.mark.parametrize(
    ("failure", "status", "code"), [(Refused(), 409, "refused"), (ValueError("defect"), 500, "internal_error")]
)
def test_a_refusal_or_failure_is_not_kept(work: Work, key: str, failure: Exception, status: int, code: str) -> None:
    work.failure = failure
    refused(work.ask(key), status, code)
    refused(work.ask(key), status, code)
    assert work.runs == 2
    work.failure = None
    assert accepted(work.ask(key))["number"] == 3
    assert accepted(work.ask(key))["number"] == 3
    assert len(work.gift_ids) == 1, "every run of one key creates the same thing"


def test_a_claim_of_a_process_that_died_is_taken_over_after_a_while(
    work: Work, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.die_midway(key)
    refused(work.ask(key), 409, "request_in_progress")
    refused(work.ask(key, amount=2), 422, "idempotency_key_reused")
    pass_time(monkeypatch, CLAIM_LASTS)
    assert accepted(work.ask(key))["number"] == 2
    assert accepted(work.ask(key))["number"] == 2
    assert len(work.gift_ids) == 1, "the second run meets what the first one left"


def test_a_dead_claim_is_taken_over_by_one(work: Work, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work.die_midway(key)
    pass_time(monkeypatch, CLAIM_LASTS)
    replies = work.together(*(work.send(key) for _ in range(8)))
    assert work.runs == 2
    for reply in replies:
        if reply.status_code != 201:
            refused(reply, 409, "request_in_progress")


def test_a_kept_reply_holds_no_more_than_it_must(work: Work, key: str) -> None:
    accepted(work.ask(key))

    async def stored() -> list[Json]:
        return [found.to_dict() or {} async for found in clients.firestore().collection("idempotency").stream()]

    [kept] = work.gateway.run(stored())
    assert set(kept) == {"fingerprint", "claimedAt", "expireAt", "status", "body"}
    assert timedelta(hours=23) < kept["expireAt"] - clock.now() <= timedelta(hours=24)
