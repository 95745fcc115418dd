"""firestore.rules on the emulator: each thing an app may read, and that it may do nothing else."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from common.events.schemas import Event
from common.orders.schemas import Order
from common.tickets.schemas import Ticket
from tests.support.index_plugin import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ASHA, RAVI = "asha", "ravi"
ASHAS_PHONE, RAVIS_PHONE = "+919811111111", "+919822222222"
SHOWN = {"status": "published", "visibility": "public"}
DOCUMENTS: dict[str, Json] = {
    "events/shown": SHOWN | {"title": "Night at the Mill", "orgId": "mill"},
    "events/draft": {"status": "draft", "visibility": "public"},
    "events/cancelled": {"status": "cancelled", "visibility": "public"},
    "events/private": {"status": "published", "visibility": "private"},
    "orders/ashas": {"buyerId": ASHA, "eventId": "shown", "status": "held"},
    "orders/ravis": {"buyerId": RAVI, "eventId": "shown", "status": "held"},
    "tickets/ashas": {"holderId": ASHA, "holderPhone": None, "status": "valid"},
    "tickets/ravis": {"holderId": RAVI, "holderPhone": None, "status": "valid"},
    "tickets/sent_to_asha": {"holderId": None, "holderPhone": ASHAS_PHONE, "status": "valid"},
    # She sent it away again: the number on it opens nothing once a user holds it.
    "tickets/claimed_by_ravi": {"holderId": RAVI, "holderPhone": ASHAS_PHONE, "status": "valid"},
}
LIVE: dict[str, Json] = {
    f"{event}/live/availability": {"tiers": []} for event in DOCUMENTS if event.startswith("events/")
}
PRIVATE: dict[str, Json] = {
    f"users/{ASHA}": {"userId": ASHA, "phone": ASHAS_PHONE},
    f"users/{ASHA}/devices/phone": {"userId": ASHA},
    "organizations/mill": {"name": "Mill Nights", "status": "published", "visibility": "public"},
    f"organizations/mill/members/{ASHA}": {"role": "owner", "userId": ASHA},
    "payments/one": {"buyerId": ASHA},
    "refunds/one": {"buyerId": ASHA},
    "ledger/one": {"buyerId": ASHA, "orgId": "mill", "eventId": "shown"},
    "settlements/shown": SHOWN | {"orgId": "mill"},
    "payouts/one": {"orgId": "mill", "status": "pending"},
    "finance/settled": {"by": ASHA},
    "outbox/one": {"buyerId": ASHA},
    "inbox/one": {"buyerId": ASHA},
    "webhooks/one": {"buyerId": ASHA},
    "idempotency/one": {"buyerId": ASHA},
    "events/shown/live/other": SHOWN,
    "events/shown/promoCodes/NIGHT": SHOWN,
    "events/shown/checkIns/one": SHOWN | {"by": ASHA},
    "events/shown/guests/asha": SHOWN | {"userId": ASHA, "phone": ASHAS_PHONE, "status": "accepted"},
    "events/private/guests/asha": {"userId": ASHA, "phone": ASHAS_PHONE, "status": "accepted"},
    "events/shown/updates/one": SHOWN | {"title": "Doors"},
    "events/shown/tiers/general": SHOWN,
    "events/shown/tiers/general/shards/0": SHOWN | {"size": 10},
    "events/shown/tiers/general/units/1": SHOWN | {"buyerId": ASHA},
    "orders/ashas/notes/one": {"buyerId": ASHA},
    "tickets/ashas/notes/one": {"holderId": ASHA},
    "anything/else": SHOWN | {"buyerId": ASHA, "holderId": ASHA},
}
EVERYTHING = DOCUMENTS | LIVE | PRIVATE


class App:
    """The REST API of Firestore as one end user's app calls it; `user_id` None: not signed in."""

    def __init__(self, client: httpx.Client, project: str, user_id: str | None, phone: str | None = None) -> None:
        self._client = client
        self._documents = f"/v1/projects/{project}/databases/(default)/documents"
        self._headers = {}
        if user_id is not None:
            claims = {"phone_number": phone} if phone else {}
            self._headers["Authorization"] = f"Bearer {unsigned_token(project, user_id, claims)}"

    def call(self, method: str, path: str, json: Json | None = None) -> bool:
        """Whether the call was allowed; anything but an allowance or a denial is an error of the test."""
        reply = self._client.request(method, f"{self._documents}{path}", json=json, headers=self._headers)
        assert reply.status_code in {200, 403}, reply.text
        return reply.status_code == 200

    def may_get(self, path: str) -> bool:
        return self.call("GET", f"/{path}")

    def may_list(self, collection: str, **equal: object) -> bool:
        """Whether a query with these equality filters is allowed."""
        parent, _, name = collection.rpartition("/")
        query: Json = {"from": [{"collectionId": name}]}
        filters = [_is(field, value) for field, value in equal.items()]
        if filters:
            query["where"] = {"compositeFilter": {"op": "AND", "filters": filters}}
        return self.call("POST", f"/{parent}:runQuery" if parent else ":runQuery", {"structuredQuery": query})

    def may_create(self, collection: str, fields: Json) -> bool:
        return self.call("POST", f"/{collection}?documentId={uuid4().hex}", _document(fields))

    def may_update(self, path: str, fields: Json) -> bool:
        return self.call("PATCH", f"/{path}", _document(fields))

    def may_delete(self, path: str) -> bool:
        return self.call("DELETE", f"/{path}")


def unsigned_token(project: str, user_id: str, claims: Json) -> str:
    """A token as the Auth emulator issues them."""
    now = int(time.time())
    standard = {
        "iss": f"https://securetoken.google.com/{project}",
        "aud": project,
        "sub": user_id,
        "user_id": user_id,
        "iat": now,
        "auth_time": now,
        "exp": now + 3600,
        "firebase": {"sign_in_provider": "phone", "identities": {}},
    }
    parts = ({"alg": "none", "typ": "JWT"}, standard | claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def _value(value: object) -> Json:
    match value:
        case None:
            return {"nullValue": None}
        case int():
            return {"integerValue": str(value)}
        case list():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": value}


def _document(fields: Json) -> Json:
    return {"fields": {name: _value(value) for name, value in fields.items()}}


def _is(field: str, value: object) -> Json:
    if value is None:
        return {"unaryFilter": {"field": {"fieldPath": field}, "op": "IS_NULL"}}
    return {"fieldFilter": {"field": {"fieldPath": field}, "op": "EQUAL", "value": _value(value)}}


@pytest.fixture(scope="module")
def emulator() -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{os.environ['FIRESTORE_EMULATOR_HOST']}", trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def rules_project(emulator: httpx.Client) -> str:
    """A project under our rules, with a document of every kind."""
    name = f"demo-rules-{uuid4().hex[:8]}"
    rules = {"rules": {"files": [{"name": "firestore.rules", "content": (ROOT / "firestore.rules").read_text()}]}}
    loaded = emulator.put(f"/emulator/v1/projects/{name}:securityRules", json=rules)
    assert loaded.status_code == 200, loaded.text
    for path, fields in EVERYTHING.items():
        url = f"/v1/projects/{name}/databases/(default)/documents/{path}"
        written = emulator.patch(url, json=_document(fields), headers={"Authorization": "Bearer owner"})
        assert written.status_code == 200, written.text
    return name


@pytest.fixture
def asha(emulator: httpx.Client, rules_project: str) -> App:
    return App(emulator, rules_project, ASHA, ASHAS_PHONE)


@pytest.fixture
def without_phone(emulator: httpx.Client, rules_project: str) -> App:
    return App(emulator, rules_project, ASHA)


@pytest.fixture
def nobody(emulator: httpx.Client, rules_project: str) -> App:
    return App(emulator, rules_project, None)


@pytest.fixture(params=["signed in", "not signed in"])
def anyone(request: pytest.FixtureRequest, asha: App, nobody: App) -> App:
    return asha if request.param == "signed in" else nobody


def test_the_rules_speak_of_fields_that_exist() -> None:
    for record, fields in ((Event, "status visibility"), (Order, "buyerId"), (Ticket, "holderId holderPhone")):
        stored = {field.alias for field in record.model_fields.values()}
        assert set(fields.split()) <= stored


def test_anyone_gets_a_published_public_event(anyone: App) -> None:
    assert anyone.may_get("events/shown")
    assert anyone.may_get("events/shown/live/availability")


@pytest.mark.parametrize("event", ["draft", "cancelled", "private", "missing"])
def test_no_other_event_is_shown(anyone: App, event: str) -> None:
    assert not anyone.may_get(f"events/{event}")
    assert not anyone.may_get(f"events/{event}/live/availability")


def test_events_are_listed_only_by_a_query_for_the_shown_ones(anyone: App) -> None:
    assert anyone.may_list("events", **SHOWN)
    assert anyone.may_list("events", **SHOWN, orgId="mill")
    assert not anyone.may_list("events")
    assert not anyone.may_list("events", status="published")
    assert not anyone.may_list("events", visibility="public")
    assert not anyone.may_list("events", status="published", visibility="private")
    assert not anyone.may_list("events/shown/live")


def test_a_buyer_reads_their_own_orders(asha: App) -> None:
    assert asha.may_get("orders/ashas")
    assert asha.may_list("orders", buyerId=ASHA)
    assert asha.may_list("orders", buyerId=ASHA, status="held")


def test_nobody_reads_orders_of_others(asha: App, nobody: App) -> None:
    assert not asha.may_get("orders/ravis")
    assert not asha.may_get("orders/missing")
    assert not asha.may_list("orders", buyerId=RAVI)
    assert not asha.may_list("orders")
    assert not asha.may_list("orders", eventId="shown")
    assert not nobody.may_get("orders/ashas")
    assert not nobody.may_list("orders", buyerId=ASHA)


def test_a_holder_reads_their_own_tickets(asha: App, without_phone: App) -> None:
    for app in (asha, without_phone):
        assert app.may_get("tickets/ashas")
        assert app.may_list("tickets", holderId=ASHA)


def test_a_ticket_sent_to_a_number_is_read_by_who_proved_to_own_it(asha: App, without_phone: App, nobody: App) -> None:
    assert asha.may_get("tickets/sent_to_asha")
    assert asha.may_list("tickets", holderId=None, holderPhone=ASHAS_PHONE)
    for app in (without_phone, nobody):
        assert not app.may_get("tickets/sent_to_asha")
        assert not app.may_list("tickets", holderId=None, holderPhone=ASHAS_PHONE)


def test_nobody_reads_tickets_of_others(asha: App, without_phone: App, nobody: App) -> None:
    assert not asha.may_get("tickets/claimed_by_ravi")
    assert not asha.may_list("tickets", holderPhone=ASHAS_PHONE)
    assert not asha.may_list("tickets", holderId=None, holderPhone=RAVIS_PHONE)
    # Most tickets name no number, and a caller without one must not match that.
    assert not without_phone.may_list("tickets", holderId=None, holderPhone=None)
    for app in (asha, without_phone):
        assert not app.may_get("tickets/ravis")
        assert not app.may_get("tickets/missing")
        assert not app.may_list("tickets", holderId=RAVI)
        assert not app.may_list("tickets")
    assert not nobody.may_get("tickets/ashas")
    assert not nobody.may_list("tickets", holderId=ASHA)


@pytest.mark.parametrize("path", PRIVATE)
def test_everything_else_cannot_be_read(anyone: App, path: str) -> None:
    collection = path.rpartition("/")[0]
    assert not anyone.may_get(path)
    assert not anyone.may_list(collection)
    for field, value in PRIVATE[path].items():
        assert not anyone.may_list(collection, **{field: value})


@pytest.mark.parametrize("path", EVERYTHING)
def test_nothing_can_be_written(anyone: App, path: str) -> None:
    fields = EVERYTHING[path]
    assert not anyone.may_create(path.rpartition("/")[0], fields)
    assert not anyone.may_update(path, fields)
    assert not anyone.may_update(path, fields | {"status": "changed", "size": 1})
    assert not anyone.may_delete(path)


def test_the_emulator_would_let_an_owner_write(emulator: httpx.Client, rules_project: str) -> None:
    """The control: the denials above come from the rules, not from a wrong address."""
    url = f"/v1/projects/{rules_project}/databases/(default)/documents/anything?documentId=control"
    reply = emulator.post(url, json=_document({"a": 1}), headers={"Authorization": "Bearer owner"})
    assert reply.status_code == 200, reply.text
