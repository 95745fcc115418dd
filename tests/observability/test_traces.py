"""One trace from the booking to the message, through outbox, Eventarc, Pub/Sub, Cloud Tasks and the provider."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common import clock, outbox, tracing
from emulators.trace_receiver import tree
from tests.observability.conftest import Trace
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import accepted, eventually, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.observability.conftest import Traces
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

COMMIT = "google.firestore.v1.Firestore/Commit"
# What one paid booking comes through, in its own trace, whoever called the function.
BOOKING = ("create_order", "relay", "send domain-events", "send release-hold", "refresh_availability")
SETTLEMENT = ("settle order", "notify", COMMIT)


def book(buyer: Person, event: Json, trace: Trace) -> Json:
    headers = trace.header()
    return accepted(buyer.post("/v1/orders", order_body(event), headers=headers))


def pay(buyer: Person, order: Json) -> Json:
    started = checkout(buyer, order["orderId"], "stripe")
    assert accepted(pay_on_page("stripe", started["gatewayReference"]))
    return order_in(buyer, order["orderId"], "ticketed")


def test_one_trace_from_the_booking_to_the_message(
    deployed: str, recording: Callable[..., None], host: Person, buyer: Person, traces: Traces
) -> None:
    event = publish_event(host, tier_body())
    trace = Trace.new()
    pay(buyer, book(buyer, event, trace))
    spans = traces.with_all(trace, *BOOKING, *SETTLEMENT)
    by_id = {span["spanId"]: span for span in spans}

    def above(span: Json) -> list[str]:
        """The names from a span up to the request."""
        parent = by_id.get(span["parentSpanId"])
        return [] if parent is None else [parent["name"], *above(parent)]

    [notify] = [span for span in spans if span["name"] == "notify"]
    assert above(notify) == ["send domain-events", "relay", "settle order", "create_order"]
    assert {notify["kind"], by_id[notify["parentSpanId"]]["kind"]} == {"consumer", "producer"}
    # Firestore's calls lie below what waited for them.
    assert {above(span)[0] for span in spans if span["name"] == COMMIT} >= {"create_order", "settle order", "relay"}
    # The provider's webhook and the task that settles it have a trace of their own, which is linked.
    [settled] = [span for span in spans if span["name"] == "settle order"]
    [elsewhere] = settled["links"]
    assert traces.names(elsewhere) >= {"receive_stripe_webhook", "settle_payment"}
    assert [span["name"] for span in spans if span["failed"] and span["kind"] != "client"] == []


def test_control_without_propagation_it_falls_into_several(
    deployed: str,
    recording: Callable[..., None],
    host: Person,
    buyer: Person,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "traceparent", lambda: None)
    event = publish_event(host, tier_body())
    trace = Trace.new()
    pay(buyer, book(buyer, event, trace))
    names = eventually(lambda: names if (names := traces.names(trace)) >= {"create_order", COMMIT} else None)
    assert names & {"relay", "send domain-events", "settle order", "notify"} == set()


def relays_of_a_crowd(
    host: Person, buyer: Person, gateway: GatewayThread, traces: Traces, buyers: int = 12
) -> list[int]:
    """Bookings at the same moment, each in a trace of its own: how many relays each trace then has."""
    event = publish_event(host, tier_body(capacity=50))
    crowd = [Trace.new() for _ in range(buyers)]

    async def book_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client:
            sign = {"Authorization": f"Bearer {buyer.token}"}
            asked = (client.post("/v1/orders", json=order_body(event), headers=sign | each.header()) for each in crowd)
            return list(await asyncio.gather(*asked))

    assert {answer.status_code for answer in gateway.run(book_at_once())} == {201}

    def relays() -> list[int] | None:
        counts = [[span["name"] for span in traces.spans(trace)].count("relay") for trace in crowd]
        return counts if sum(counts) == buyers else None

    return eventually(relays)


def test_who_shares_a_commit_keeps_a_trace_of_their_own(
    deployed: str, recording: Callable[..., None], host: Person, buyer: Person, gateway: GatewayThread, traces: Traces
) -> None:
    """The commit is written in the context of whoever began it: what it sets off must not follow that one alone."""
    assert set(relays_of_a_crowd(host, buyer, gateway, traces)) == {1}


def test_control_who_is_asked_within_the_commit_names_one_trace_for_all(
    deployed: str,
    recording: Callable[..., None],
    host: Person,
    buyer: Person,
    gateway: GatewayThread,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = outbox.entry

    def as_if_alone(now: datetime, *planned: Any, traceparent: str | None = None) -> tuple[str, Json]:
        return entry(now, *planned)

    monkeypatch.setattr(outbox, "entry", as_if_alone)
    assert max(relays_of_a_crowd(host, buyer, gateway, traces)) > 1


def test_what_a_span_says_of_a_request(
    recording: Callable[..., None], project: str, anonymous: httpx.Client, buyer: Person, traces: Traces
) -> None:
    missing, refusal = Trace.new(), Trace.new()
    refused(anonymous.get("/v1/events/evt_nothing", headers=missing.header()), 404, "not_found")
    refused(buyer.post("/v1/orders", {"no": "order"}, headers=refusal.header()), 422, "validation_failed")
    [span] = [each for each in traces.with_all(missing, "get_event") if each["name"] == "get_event"]
    assert span["attributes"] == {
        "http.request.method": "GET",
        "http.route": "/v1/events/{eventId}",
        "url.scheme": "https",
        "http.response.status_code": 404,
        "error.type": "not_found",
    }
    assert (span["kind"], span["failed"], span["events"]) == ("server", False, [])
    [span] = traces.with_all(refusal, "create_order")
    assert span["attributes"]["error.type"] == "validation_failed"
    assert buyer.user_id not in str(span)


def test_a_failure_stands_on_its_span_with_its_code_and_nothing_more(
    recording: Callable[..., None],
    project: str,
    anonymous: httpx.Client,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from common.events import store

    async def fail(*_: object) -> None:
        raise ValueError("asha@example.com was the last one")

    monkeypatch.setattr(store, "find", fail, raising=False)
    monkeypatch.setattr(store, "recent", fail)
    trace = Trace.new()
    refused(anonymous.get("/v1/events/evt_a", headers=trace.header()), 500, "internal_error")
    [span] = traces.with_all(trace, "get_event")
    assert (span["failed"], span["attributes"]["error.type"]) == (True, "internal_error")
    assert "asha" not in str(span)


def test_the_lines_of_a_request_name_its_span(
    recording: Callable[..., None],
    project: str,
    anonymous: httpx.Client,
    traces: Traces,
    capfd: pytest.CaptureFixture[str],
) -> None:
    trace = Trace.new()
    refused(anonymous.get("/v1/events/evt_nothing", headers=trace.header()), 404, "not_found")
    [span] = [each for each in traces.with_all(trace, "get_event") if each["name"] == "get_event"]
    out = capfd.readouterr().out
    assert f'"logging.googleapis.com/trace": "projects/{project}/traces/{trace}"' in out
    assert f'"logging.googleapis.com/spanId": "{span["spanId"]}"' in out
    assert '"logging.googleapis.com/trace_sampled": true' in out


@pytest.mark.parametrize("sampled_elsewhere", [True, False])
def test_our_own_ratio_decides_whatever_a_stranger_sends(
    recording: Callable[..., None], project: str, anonymous: httpx.Client, traces: Traces, sampled_elsewhere: bool
) -> None:
    recording(TRACE_RATIO="0")
    quiet, told = Trace.new(), Trace.new()
    also_ours = {tracing.HEADER: f"00-{quiet}-00f067aa0ba902b7-01"}
    headers = quiet.header(sampled=sampled_elsewhere) | also_ours
    refused(anonymous.get("/v1/events/evt_nothing", headers=headers), 404, "not_found")
    assert outbox.entry(clock.now())[1].keys() == {"createdAt", "event", "tasks"}
    recording(TRACE_RATIO="1")
    refused(anonymous.get("/v1/events/evt_nothing", headers=told.header()), 404, "not_found")
    traces.with_all(told, "get_event")
    assert traces.spans(quiet) == []


def test_a_trace_is_shown_as_a_tree() -> None:
    def span(name: str, own: str, parent: str | None, start: int) -> Json:
        times = {"start": start * 1_000_000, "end": start * 1_000_000 + 500_000}
        return {"name": name, "kind": "server", "spanId": own, "parentSpanId": parent, "attributes": {}} | times

    shown = tree([span("c", "3", "1", 4), span("a", "1", "gone", 1), span("b", "2", "1", 2)])
    assert [line.split("ms  ")[-1] for line in shown] == ["a  server", "  b  server", "  c  server"]
