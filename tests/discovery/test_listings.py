"""A published event reaches the index that feeds and searches read, follows its changes, and leaves with its sale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.listings import index as listing_index
from common.listings.schemas import Listing
from tests.support.people import accepted, create_organization, event_body, eventually, publish_event

if TYPE_CHECKING:
    import pytest

    from tests.support.people import Person
    from tests.support.server import GatewayThread


def seen(gateway: GatewayThread, event_id: str) -> Listing | None:
    index = gateway.run(listing_index.current())
    row = index.db.execute("SELECT document FROM listings WHERE event_id = ?", (event_id,)).fetchone()
    return Listing.model_validate_json(row[0]) if row else None


def test_a_listing_follows_its_event(
    deployed: str, gateway: GatewayThread, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_index, "FRESH_FOR_S", 0.0)
    org_id = create_organization(host, name="Mill Nights")
    draft = accepted(host.post("/v1/events", event_body(org_id, lineup=[{"artist": "Fẹlá Kútì"}])))
    event_id = draft["eventId"]
    assert draft["slug"] == f"night-at-the-mill-{event_id}"
    other = publish_event(host, org_id=org_id, lineup=[{"artist": "fela KUTI"}])
    assert (other["venueId"], other["artistIds"]) == (draft["venueId"], draft["artistIds"])
    eventually(lambda: seen(gateway, other["eventId"]))
    assert seen(gateway, event_id) is None

    accepted(host.post(f"/v1/events/{event_id}/publish"))
    listing = eventually(lambda: seen(gateway, event_id))
    assert (listing.title, listing.org_name, listing.artists) == ("Night at the Mill", "Mill Nights", ("Fẹlá Kútì",))
    accepted(host.call("PATCH", f"/v1/events/{event_id}", {"title": "Night by the Sea"}))
    eventually(lambda: (found := seen(gateway, event_id)) and found.title == "Night by the Sea")
    accepted(host.call("PATCH", f"/v1/events/{event_id}", {"visibility": "private"}))
    eventually(lambda: seen(gateway, event_id) is None)
    accepted(host.call("PATCH", f"/v1/events/{event_id}", {"visibility": "public"}))
    eventually(lambda: seen(gateway, event_id))
    accepted(host.post(f"/v1/events/{event_id}/cancel"))
    eventually(lambda: seen(gateway, event_id) is None)
