"""openapi.json and manifest.json say what the functions declare, and the functions declare what the contract asks."""

from __future__ import annotations

import importlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from common.errors import Problem
from common.trigger import PubSub, Task
from manifest.__main__ import documents
from manifest.discover import DeclarationError, discover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.endpoint import EndpointSpec
    from common.trigger import TriggerSpec
    from tests.support.people import Json

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = discover()
SPECS = (*MANIFEST.endpoints, *MANIFEST.triggers)
CONTRACT = """
    POST /v1/session · DELETE /v1/session · GET /v1/me · PATCH /v1/me
    POST /v1/organizations · PATCH /v1/organizations/{orgId} · PUT /v1/organizations/{orgId}/members/{userId}
    POST /v1/events · PATCH /v1/events/{eventId} · POST /v1/events/{eventId}/publish · POST /v1/events/{eventId}/cancel
    GET /v1/events/nearby · GET /v1/events/{eventId} · GET /v1/events/{eventId}/availability
    POST /v1/orders · GET /v1/orders · GET /v1/orders/{orderId} · POST /v1/orders/{orderId}/cancel
    POST /v1/orders/{orderId}/checkout · POST /v1/orders/{orderId}/refunds
    POST /v1/webhooks/stripe · POST /v1/webhooks/razorpay · POST /v1/webhooks/paystack
    GET /v1/tickets · GET /v1/tickets/{ticketId} · POST /v1/tickets/{ticketId}/transfer
    POST /v1/events/{eventId}/check-ins
"""
FINANCE = {
    "GET /v1/events/{eventId}/statement",
    "PUT /v1/organizations/{orgId}/commission",
    "GET /v1/organizations/{orgId}/payouts",
    "GET /v1/payouts/{payoutId}",
    "POST /v1/payouts/{payoutId}/sent",
    "POST /v1/payouts/{payoutId}/failed",
    "GET /v1/payout-batches/{date}",
}
SETTLEMENT = {
    "POST /v1/orders/{orderId}/confirm",
    "GET /v1/orders/{orderId}/refunds",
    "POST /v1/refunds/{refundId}/retry",
    "GET /v1/events/{eventId}/refund-run",
}
NEARBY = {"latitude", "longitude", "radiusKm", "from", "to", "genre", "maxPriceMinor", "limit", "cursor"}
SELLING = {
    "PATCH /v1/events/{eventId}/tiers/{tierId}",
    "PUT /v1/events/{eventId}/promo-codes/{code}",
    "GET /v1/events/{eventId}/promo-codes",
    "DELETE /v1/events/{eventId}/promo-codes/{code}",
}
FEED = {
    "GET /v1/events/feed",
}
SEARCH = {
    "GET /v1/events/search",
    "GET /v1/search",
    "GET /v1/search/suggestions",
}
PAGES = {
    "GET /e/{slug}",
    "GET /e/{slug}/event.ics",
}
CATALOGUE = {
    "GET /v1/genres",
    "POST /v1/venues",
    "GET /v1/venues/{venueId}",
    "PUT /v1/venues/{venueId}",
    "GET /v1/venues/{venueId}/events",
    "POST /v1/artists",
    "GET /v1/artists/{artistId}",
    "PUT /v1/artists/{artistId}",
    "GET /v1/artists/{artistId}/events",
    "GET /v1/organizers/{orgId}",
    "GET /v1/organizers/{orgId}/events",
    "POST /v1/tours",
    "GET /v1/tours/{tourId}",
    "PATCH /v1/tours/{tourId}",
    "GET /v1/tours/{tourId}/events",
}
GUESTS = {
    "POST /v1/events/{eventId}/guests",
    "GET /v1/events/{eventId}/guests",
    "DELETE /v1/events/{eventId}/guests/{guestId}",
    "GET /v1/invitations",
    "POST /v1/events/{eventId}/invitation",
    "POST /v1/events/{eventId}/updates",
    "GET /v1/events/{eventId}/updates",
}
SOCIAL = {
    "GET /v1/follows",
    "PUT /v1/follows/{kind}/{targetId}",
    "DELETE /v1/follows/{kind}/{targetId}",
    "GET /v1/events/{eventId}/interest",
    "POST /v1/events/{eventId}/interest",
    "DELETE /v1/events/{eventId}/interest/{kind}",
    "GET /v1/events/{eventId}/social",
    "GET /v1/events/{eventId}/review",
    "PUT /v1/events/{eventId}/review",
    "DELETE /v1/events/{eventId}/review",
    "GET /v1/events/{eventId}/reviews",
    "POST /v1/reviews/{reviewId}/helpful",
    "DELETE /v1/reviews/{reviewId}/helpful",
}
PUBLIC = {
    "list_nearby_events",
    "get_event",
    "get_availability",
    "list_ticket_keys",
    "list_genres",
    "get_venue",
    "get_artist",
    "get_organizer",
    "get_tour",
    "list_venue_events",
    "list_artist_events",
    "list_organizer_events",
    "list_tour_events",
    "list_updates",
    "show_event_page",
    "download_event_calendar",
    "get_event_social",
    "list_reviews",
    "search_events",
    "search_all",
    "suggest_searches",
    "get_feed",
}
PAGES_FOR_PEOPLE = {"show_event_page"}
WEBHOOKS = {"receive_stripe_webhook", "receive_razorpay_webhook", "receive_paystack_webhook"}


@pytest.fixture(scope="module")
def reference() -> Json:
    document: Json = json.loads((ROOT / "openapi.json").read_text())
    return document


def operations(reference: Json) -> Iterator[Json]:
    for path in reference["paths"].values():
        yield from path.values()


@pytest.mark.parametrize("name", ["openapi.json", "manifest.json", "docs/roles.md"])
def test_the_committed_document_is_current(name: str) -> None:
    assert (ROOT / name).read_text() == documents()[name], f"{name} is stale: run `make openapi` and commit it"


def test_the_reference_is_valid_openapi(reference: Json) -> None:
    assert reference["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(reference).iter_errors()) == []


def test_the_reference_describes_every_operation(reference: Json) -> None:
    for operation in operations(reference):
        assert operation["summary"].endswith("."), operation["operationId"]
        assert {"200", "201", "204"} & operation["responses"].keys(), operation["operationId"]
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                pages = operation["operationId"] in PAGES_FOR_PEOPLE
                assert list(response["content"]) == ["text/html" if pages else "application/problem+json"]
                assert re.match(r"`\w+` \w", response["description"])
    assert {operation["operationId"] for operation in operations(reference)} == {
        spec.name for spec in MANIFEST.endpoints
    }


def test_every_route_of_the_contract_is_there() -> None:
    asked = {route.strip() for route in re.split(r"·|\n", CONTRACT) if route.strip()}
    declared = {f"{spec.method} {spec.path}" for spec in MANIFEST.endpoints}
    assert asked <= declared
    later = FINANCE | SELLING | SETTLEMENT | FEED | SEARCH | PAGES | CATALOGUE | GUESTS | SOCIAL
    assert declared - asked == {"GET /v1/ticket-keys"} | later


def test_nearby_takes_the_contracts_parameters(reference: Json) -> None:
    parameters = reference["paths"]["/v1/events/nearby"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == NEARBY


def test_who_may_call_what(reference: Json) -> None:
    """A function that is public by mistake would show here."""
    for operation in operations(reference):
        name, security = operation["operationId"], operation.get("security")
        if name in PUBLIC:
            assert security in (None, [{}, {"firebase": []}]), name
        elif name in WEBHOOKS:
            assert (security, operation["x-access"]) == (None, "provider_signature"), name
        else:
            assert security == [{"firebase": []}], name


def test_no_two_errors_share_status_and_code() -> None:
    """A client that switches over `code` must never meet two meanings."""
    facts: dict[tuple[int, str], list[str]] = defaultdict(list)
    for problem in _problems(Problem):
        facts[problem.status, problem.code].append(f"{problem.__module__}.{problem.__name__}")
    assert {fact: names for fact, names in facts.items() if len(names) > 1} == {}
    codes = [code for _, code in facts]
    assert len(set(codes)) == len(codes)


def test_errors_say_what_they_are() -> None:
    for problem in _problems(Problem):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", problem.code), problem
        assert problem.title[0].isupper(), problem
        assert not problem.title.endswith("."), problem
        assert 400 <= problem.status < 600, problem


def _problems(base: type[Problem]) -> Iterator[type[Problem]]:
    if base.__module__.partition(".")[0] in {"common", "functions", "triggers"}:
        yield base
    for problem in base.__subclasses__():
        yield from _problems(problem)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_file_declares_the_one_function_it_is_named_after(spec: EndpointSpec | TriggerSpec) -> None:
    module = importlib.import_module(spec.module)
    declared = [name for name, value in vars(module).items() if isinstance(getattr(value, "spec", None), type(spec))]
    assert declared == [spec.name] == [spec.module.rpartition(".")[2]]
    assert (module.__doc__ or "").strip()
    assert spec.summary.endswith(".")


def test_every_file_is_a_function_and_every_function_is_deployed() -> None:
    files = [path for folder in ("functions", "triggers") for path in (ROOT / folder).rglob("*.py")]
    deployed = json.loads((ROOT / "manifest.json").read_text())["functions"]
    assert {path.stem for path in files} == deployed.keys()
    assert {str(path.relative_to(ROOT)) for path in files} == {entry["source"] for entry in deployed.values()}
    assert len(files) == len(deployed)


def test_private_functions_are_invoked_by_the_service_account_only() -> None:
    deployed = json.loads((ROOT / "manifest.json").read_text())["functions"]
    private = {name for name, entry in deployed.items() if entry["invoker"] == "service_account"}
    assert private == {spec.name for spec in MANIFEST.triggers}
    assert all(deployed[name]["access"] == "internal_oidc" for name in private)


def test_every_task_has_a_queue_of_its_own_and_every_push_dead_letters() -> None:
    queues = [spec.source.queue for spec in MANIFEST.triggers if isinstance(spec.source, Task)]
    assert len(set(queues)) == len(queues)
    for spec in MANIFEST.triggers:
        if isinstance(spec.source, PubSub):
            # Pub/Sub takes 5 to 100 attempts before it gives a message up.
            assert 5 <= spec.source.max_delivery_attempts <= 100
            assert spec.source.types


def test_a_file_that_declares_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from manifest import discover as module

    (tmp_path / "functions" / "marqueetest").mkdir(parents=True)
    (tmp_path / "functions" / "marqueetest" / "empty.py").write_text('"""Declares nothing."""\n')
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(importlib.import_module("functions"), "__path__", [str(tmp_path / "functions")])
    with pytest.raises(DeclarationError, match=r"empty\.py must declare a function named empty"):
        module.discover()
