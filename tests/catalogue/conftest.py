"""Events that are listed at once: what tasks do a second later, these tests do themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from common.listings import index as listing_index
from common.listings import store as listings
from tests.support.people import create_organization, publish_event

if TYPE_CHECKING:
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread


class ListEvent(Protocol):
    """Publishes an event of an owner and lists it: `list_event(host, title="…", ended=True)`."""

    def __call__(self, owner: Person, *tiers: Json, ended: bool = False, **more: Any) -> Json: ...


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request looks for changes: no test waits two seconds."""
    monkeypatch.setattr(listing_index, "FRESH_FOR_S", 0.0)


@pytest.fixture
def org_id(host: Person) -> str:
    return create_organization(host)


@pytest.fixture
def list_event(gateway: GatewayThread) -> ListEvent:
    def publish(owner: Person, *tiers: Json, ended: bool = False, **more: Any) -> Json:
        event = publish_event(owner, *tiers, **more)
        gateway.run(listings.refresh(event["eventId"]))
        if ended:
            now = datetime.now(UTC)
            times = {"startsAt": now - timedelta(hours=9), "endsAt": now - timedelta(hours=3)}
            gateway.run(listings.update(event["eventId"], **times))
        return event

    return publish
