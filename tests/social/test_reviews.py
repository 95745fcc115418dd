"""Reviews over HTTP: by whom, of what, one each, and their sums and votes exact."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore import AsyncWriteBatch

from common import clients, clock
from common.ids import new_id
from common.paging import encode_cursor
from common.social import reviews
from common.social.schemas import Review
from common.tickets.schemas import TicketStatus
from tests.social.conftest import Night, began, listed
from tests.support.people import accepted, create_organization, eventually, publish_event, refused
from tests.tickets.conftest import Box

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.operations.jobs import Jobs
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

CROWD = 10


def put(person: Person, night: Night, rating: int = 5, **more: Any) -> httpx.Response:
    return person.call("PUT", f"{night.path}/review", {"rating": rating} | more)


def attending(night: Night, person: Person, status: TicketStatus = TicketStatus.USED, **more: Any) -> Person:
    """The person, with a ticket for the night."""
    Box(night.gateway, night.event).ticket(person, status=status, **more)
    return person


def shown(night: Night, **query: Any) -> list[Json]:
    page = accepted(night.jobs.client.get(f"{night.path}/reviews", params=query))
    return list(page["items"])


def summary(night: Night) -> tuple[int, int]:
    night.count("rating")
    return night.listing["ratingCount"], night.listing["ratingSum"]


def helpful(person: Person, review: Json, method: str = "POST") -> httpx.Response:
    return person.call(method, f"/v1/reviews/{review['reviewId']}/helpful")


def votes(night: Night) -> int:
    [review] = shown(night)
    return int(review["helpfulCount"])


@pytest.fixture
def asha(tonight: Night, sign_in: SignIn) -> Person:
    """Somebody who was let in."""
    return attending(tonight, sign_in("asha"))


def test_who_was_there_reviews_once_and_may_change_their_mind(tonight: Night, asha: Person) -> None:
    first = accepted(put(asha, tonight, 2, text="  Too loud.  "))
    assert (first["authorName"], first["rating"], first["text"]) == ("Guest", 2, "Too loud.")
    assert asha.user_id not in str(first)
    assert summary(tonight) == (1, 2)
    accepted(asha.post("/v1/session"))
    accepted(asha.call("PATCH", "/v1/me", {"displayName": "Asha R."}))
    second = accepted(put(asha, tonight, 4))
    assert second == first | {
        "authorName": "Asha R.",
        "rating": 4,
        "text": "",
        "updatedAt": second["updatedAt"],
    }
    assert shown(tonight) == [second] == [accepted(asha.get(f"{tonight.path}/review"))]
    assert summary(tonight) == (1, 4)
    social = accepted(asha.get(f"{tonight.path}/social"))
    assert (social["ratingCount"], social["ratingAverage"]) == (1, 4.0)
    accepted(asha.call("DELETE", f"{tonight.path}/review"))
    accepted(asha.call("DELETE", f"{tonight.path}/review"))
    refused(asha.get(f"{tonight.path}/review"), 404, "not_found")
    assert shown(tonight) == []
    assert summary(tonight) == (0, 0)
    assert "ratingAverage" not in accepted(asha.get(f"{tonight.path}/social"))


def test_only_who_was_there(tonight: Night, host: Person, sign_in: SignIn) -> None:
    refused(put(sign_in("stranger"), tonight), 403, "not_attended")
    for status in (TicketStatus.VALID, TicketStatus.CANCELLED, TicketStatus.TRANSFERRED):
        refused(put(attending(tonight, sign_in("absent"), status), tonight), 403, "not_attended")
    # A ticket of another night proves nothing here.
    other = Night(tonight.gateway, tonight.jobs, publish_event(host, **began()))
    refused(put(attending(other, sign_in("elsewhere")), tonight), 403, "not_attended")
    refused(put(attending(tonight, host), tonight), 409, "own_review")
    door = attending(tonight, sign_in("door"))
    accepted(host.call("PUT", f"/v1/organizations/{tonight.event['orgId']}/members/{door.user_id}", {"role": "door"}))
    refused(put(door, tonight), 409, "own_review")
    refused(tonight.jobs.client.put(f"{tonight.path}/review", json={"rating": 5}), 401, "unauthenticated")
    assert shown(tonight) == []


def test_a_ticket_sent_to_the_number_counts(tonight: Night, sign_in: SignIn) -> None:
    box = Box(tonight.gateway, tonight.event)
    box.ticket(status=TicketStatus.USED, holder_phone="+919812345678")
    refused(put(sign_in("other", phone="+919812345679"), tonight), 403, "not_attended")
    accepted(put(sign_in("asha", phone="+919812345678"), tonight))


def test_without_scans_a_valid_ticket_counts_after_the_end(
    tonight: Night, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = attending(tonight, sign_in("holder"), TicketStatus.VALID)
    refused(put(holder, tonight), 403, "not_attended")
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(hours=6))
    accepted(put(holder, tonight))
    # Where the door scanned, who was not scanned was not there.
    attending(tonight, sign_in("scanned"))
    refused(put(attending(tonight, sign_in("absent"), TicketStatus.VALID), tonight), 403, "not_attended")


def test_when_an_event_can_be_reviewed(
    night: Night, gateway: GatewayThread, jobs: Jobs, host: Person, sign_in: SignIn
) -> None:
    asha = attending(night, sign_in("asha"))
    refused(put(asha, night), 409, "event_not_started")
    accepted(host.post(f"{night.path}/cancel"))
    refused(put(asha, night), 409, "event_cancelled")
    refused(asha.call("PUT", "/v1/events/evt_unknown/review", {"rating": 5}), 404, "not_found")
    private = listed(gateway, jobs, host, visibility="private", **began())
    refused(put(sign_in("stranger"), private), 404, "not_found")
    refused(jobs.client.get(f"{private.path}/reviews"), 404, "not_found")


@pytest.mark.parametrize(
    "body", [{}, {"rating": 0}, {"rating": 6}, {"rating": 4.5}, {"rating": "5"}, {"rating": 5, "text": "x" * 4_001}]
)
def test_what_is_no_review(tonight: Night, asha: Person, body: Json) -> None:
    refused(asha.call("PUT", f"{tonight.path}/review", body), 422, "validation_failed")


def test_ten_at_once_and_their_changes_are_summed_exactly(
    deployed: str, gateway: GatewayThread, jobs: Jobs, host: Person, sign_in: SignIn
) -> None:
    night = Night(gateway, jobs, publish_event(host, **began()))
    people = [attending(night, sign_in(f"guest{number}")) for number in range(CROWD)]

    def rate(person: Person, rating: int) -> None:
        accepted(put(person, night, rating))

    def sums_to(*expected: int) -> None:
        eventually(
            lambda: (night.listing.get("ratingCount"), night.listing.get("ratingSum")) == expected or None, within_s=25
        )

    with ThreadPoolExecutor(CROWD) as pool:
        list(pool.map(rate, people, [1 + number % 5 for number in range(CROWD)]))
        sums_to(CROWD, 30)
        list(pool.map(rate, people[:5], [5] * 5))
        list(pool.map(lambda person: accepted(person.call("DELETE", f"{night.path}/review")), people[5:7]))
    sums_to(CROWD - 2, 37)
    assert accepted(host.get(f"{night.path}/social"))["ratingAverage"] == 4.62
    assert len(shown(night)) == CROWD - 2


def test_the_same_person_at_once_has_one_review(tonight: Night, asha: Person) -> None:
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda rating: put(asha, tonight, rating), [1, 2, 3, 4]))
    assert {reply.status_code for reply in replies} <= {200, 503}
    [review] = shown(tonight)
    assert summary(tonight) == (1, review["rating"])


def test_helpful_votes_are_one_each_and_never_for_oneself(tonight: Night, asha: Person, sign_in: SignIn) -> None:
    review = accepted(put(asha, tonight))
    refused(helpful(asha, review), 409, "own_review")
    fan = sign_in("fan")
    for _ in range(2):
        accepted(helpful(fan, review))
    assert votes(tonight) == 1
    accepted(put(asha, tonight, 3))
    assert votes(tonight) == 1, "an edit leaves the votes"
    for _ in range(2):
        accepted(helpful(fan, review, "DELETE"))
    assert votes(tonight) == 0
    refused(helpful(fan, {"reviewId": "rev_unknown"}), 404, "not_found")
    refused(helpful(fan, {"reviewId": "rev_unknown"}, "DELETE"), 404, "not_found")
    refused(fan.client.post(f"/v1/reviews/{review['reviewId']}/helpful"), 401, "unauthenticated")


def test_votes_outlive_a_review_that_was_taken_back(tonight: Night, asha: Person, sign_in: SignIn) -> None:
    review = accepted(put(asha, tonight))
    fans = [sign_in(f"fan{number}") for number in range(3)]
    for fan in fans:
        accepted(helpful(fan, review))
    accepted(asha.call("DELETE", f"{tonight.path}/review"))
    refused(helpful(sign_in("late"), review), 404, "not_found")
    again = accepted(put(asha, tonight, 1))
    assert (again["reviewId"], again["helpfulCount"]) == (review["reviewId"], 3)
    accepted(helpful(fans[0], review))
    assert votes(tonight) == 3


@pytest.mark.parametrize("one_commit", [True, False], ids=["one commit", "control: read, then write"])
def test_votes_at_once_are_counted_exactly(
    tonight: Night, asha: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, one_commit: bool
) -> None:
    review = accepted(put(asha, tonight))
    if not one_commit:
        update = AsyncWriteBatch.update
        document = clients.firestore().document(f"{reviews.REVIEWS}/{review['reviewId']}")

        async def naive(user_id: str, of: Any, now: Any) -> None:
            seen = (await document.get()).get("helpfulCount")
            await asyncio.sleep(0.05)
            batch = clients.firestore().batch()
            update(batch, document, {"helpfulCount": seen + 1})
            await batch.commit()

        monkeypatch.setattr(reviews, "vote", naive)
    fans = [sign_in(f"fan{number}") for number in range(CROWD)]
    with ThreadPoolExecutor(CROWD) as pool:
        list(pool.map(lambda fan: accepted(helpful(fan, review)), fans))
    assert (votes(tonight) == CROWD) is one_commit


def write_reviews(night: Night, helpful_counts: list[int]) -> list[str]:
    """Reviews of nobody in particular, the oldest first."""
    ids = []
    for number, count in enumerate(helpful_counts):
        at = clock.now() + timedelta(seconds=number)
        ids.append(new_id("rev"))
        review = Review(
            review_id=ids[-1],
            event_id=night.event_id,
            user_id=f"somebody{number}",
            author_name="Guest",
            rating=5,
            text="",
            helpful_count=count,
            created_at=at,
            updated_at=at,
        )
        night.write(f"{reviews.REVIEWS}/{ids[-1]}", review.document())
    return ids


@pytest.mark.parametrize(("sort", "order"), [("newest", [4, 3, 2, 1, 0]), ("helpful", [3, 1, 4, 2, 0])])
def test_pages_in_both_orders(tonight: Night, sort: str, order: list[int]) -> None:
    ids = write_reviews(tonight, [0, 7, 1, 9, 3])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        query = {"limit": "2", "sort": sort} | cursor
        page = accepted(tonight.jobs.client.get(f"{tonight.path}/reviews", params=query))
        seen += [review["reviewId"] for review in page["items"]]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == [ids[place] for place in order]
    other = "helpful" if sort == "newest" else "newest"
    refused(tonight.jobs.client.get(f"{tonight.path}/reviews", params={"sort": other} | cursor), 400, "invalid_cursor")


@pytest.mark.parametrize(
    ("sort", "position"), [("helpful", 2**63), ("helpful", "x"), ("helpful", True), ("newest", "x"), ("newest", 1)]
)
def test_forged_cursors_are_refused(tonight: Night, sort: str, position: Any) -> None:
    cursor = encode_cursor(f"reviews of {tonight.event_id} {sort}", position, "rev_1")
    query = {"sort": sort, "cursor": cursor}
    refused(tonight.jobs.client.get(f"{tonight.path}/reviews", params=query), 400, "invalid_cursor")
    refused(tonight.jobs.client.get(f"{tonight.path}/reviews?sort=best"), 422, "validation_failed")


def test_an_organization_of_ones_own_elsewhere_is_no_obstacle(tonight: Night, asha: Person) -> None:
    create_organization(asha)
    accepted(put(asha, tonight))
