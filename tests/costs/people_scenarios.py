"""One usual call of each function around guests, followers, reviews and updates."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from common.listings import store as listings
from tests.costs.scenario import scenario
from tests.support.people import accepted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.costs.scenario import Act
    from tests.costs.shop import Shop

UPDATE: Final = {"title": "Doors", "message": "They open an hour later."}


@scenario
def put_follow(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()

    def prepare() -> Act:
        accepted(shop.buyer.call("DELETE", path))
        return lambda: shop.buyer.call("PUT", path, {})

    return prepare


@scenario
def delete_follow(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()

    def prepare() -> Act:
        accepted(shop.buyer.call("PUT", path, {}))
        return lambda: shop.buyer.call("DELETE", path)

    return prepare


@scenario
def list_follows(shop: Shop) -> Callable[[], Act]:
    accepted(shop.buyer.call("PUT", shop.venue(), {}))
    return lambda: lambda: shop.buyer.get("/v1/follows")


@scenario
def refresh_followers(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()
    accepted(shop.buyer.call("PUT", path, {}))
    return lambda: lambda: shop.trigger("refresh_followers", {"targetId": path.rpartition("/")[2]})


@scenario
def announce_event(shop: Shop) -> Callable[[], Act]:
    path = shop.venue()
    accepted(shop.buyer.call("PUT", path, {}))

    def prepare() -> Act:
        payload = {"eventId": shop.event()["eventId"], "targets": [path.rpartition("/")[2]]}
        return lambda: shop.trigger("announce_event", payload)

    return prepare


@scenario
def add_interest(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/interest"

    def prepare() -> Act:
        accepted(shop.buyer.call("DELETE", f"{path}/liked"))
        return lambda: shop.buyer.post(path, {"kind": "liked"})

    return prepare


@scenario
def remove_interest(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/interest"

    def prepare() -> Act:
        accepted(shop.buyer.post(path, {"kind": "liked"}))
        return lambda: shop.buyer.call("DELETE", f"{path}/liked")

    return prepare


@scenario
def get_interest(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/interest"
    accepted(shop.buyer.post(path, {"kind": "liked"}))
    return lambda: lambda: shop.buyer.get(path)


@scenario
def get_event_social(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.listed_event()['eventId']}/social"
    return lambda: lambda: shop.http.get(path)


@scenario
def refresh_counts(shop: Shop) -> Callable[[], Act]:
    event_id = shop.listed_event()["eventId"]

    def prepare() -> Act:
        fan = shop.sign_in("fan")
        accepted(fan.post(f"/v1/events/{event_id}/interest", {"kind": "liked"}))
        return lambda: shop.trigger("refresh_counts", {"eventId": event_id, "counted": "interest"})

    return prepare


@scenario
def refresh_trending(shop: Shop) -> Callable[[], Act]:
    event_id = shop.listed_event()["eventId"]
    attendees = iter(range(1, 1_000))

    def prepare() -> Act:
        shop.gateway.run(listings.update(event_id, attendees=next(attendees)))
        return lambda: shop.trigger("refresh_trending", {})

    return prepare


@scenario
def put_review(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()

    def prepare() -> Act:
        accepted(shop.buyer.call("DELETE", path))
        return lambda: shop.buyer.call("PUT", path, {"rating": 5, "text": "What a night."})

    return prepare


@scenario
def delete_review(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()

    def prepare() -> Act:
        accepted(shop.buyer.call("PUT", path, {"rating": 5}))
        return lambda: shop.buyer.call("DELETE", path)

    return prepare


@scenario
def get_my_review(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()
    accepted(shop.buyer.call("PUT", path, {"rating": 5}))
    return lambda: lambda: shop.buyer.get(path)


@scenario
def list_reviews(shop: Shop) -> Callable[[], Act]:
    path = shop.attended()
    accepted(shop.buyer.call("PUT", path, {"rating": 5}))
    return lambda: lambda: shop.http.get(f"{path}s")


@scenario
def vote_helpful(shop: Shop) -> Callable[[], Act]:
    review = accepted(shop.buyer.call("PUT", shop.attended(), {"rating": 5}))

    def prepare() -> Act:
        fan = shop.sign_in("fan")
        return lambda: fan.post(f"/v1/reviews/{review['reviewId']}/helpful")

    return prepare


@scenario
def unvote_helpful(shop: Shop) -> Callable[[], Act]:
    review = accepted(shop.buyer.call("PUT", shop.attended(), {"rating": 5}))
    path = f"/v1/reviews/{review['reviewId']}/helpful"

    def prepare() -> Act:
        accepted(shop.host.post(path))
        return lambda: shop.host.call("DELETE", path)

    return prepare


@scenario
def invite_guests(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/guests"
    numbers = iter(range(100, 1_000))

    def prepare() -> Act:
        guests = [{"phone": f"+919811100{next(numbers)}"}]
        return lambda: shop.host.post(path, {"guests": guests})

    return prepare


@scenario
def list_guests(shop: Shop) -> Callable[[], Act]:
    path, _ = shop.guest(shop.event())
    return lambda: lambda: shop.host.get(path)


@scenario
def remove_guest(shop: Shop) -> Callable[[], Act]:
    path, guest_id = shop.guest(shop.event())
    return lambda: lambda: shop.host.call("DELETE", f"{path}/{guest_id}")


@scenario
def list_invitations(shop: Shop) -> Callable[[], Act]:
    shop.guest(shop.event())
    return lambda: lambda: shop.buyer.get("/v1/invitations")


@scenario
def answer_invitation(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    shop.guest(event)
    answers = cycle(("accepted", "declined"))

    def prepare() -> Act:
        answer = next(answers)
        return lambda: shop.buyer.post(f"/v1/events/{event['eventId']}/invitation", {"answer": answer})

    return prepare


@scenario
def create_update(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/updates"
    return lambda: lambda: shop.host.post(path, UPDATE, key=uuid4().hex)


@scenario
def list_updates(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}/updates"
    accepted(shop.host.post(path, UPDATE))
    return lambda: lambda: shop.http.get(path)


@scenario
def tell_holders(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    shop.ticketed(event)

    def prepare() -> Act:
        update = accepted(shop.host.post(f"/v1/events/{event['eventId']}/updates", UPDATE))
        payload = {"eventId": event["eventId"], "updateId": update["updateId"], "page": 0}
        return lambda: shop.trigger("tell_holders", payload)

    return prepare
