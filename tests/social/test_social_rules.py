"""What excludes what, what is kept, and who was there: decided from plain values."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.social import rules
from common.social.schemas import FollowKind, InterestKind, Taste
from common.tickets.rules import new_tickets
from common.tickets.schemas import TicketStatus
from tests.support.records import NOW, an_order

LATER = NOW + timedelta(hours=1)
KINDS = st.sampled_from(list(InterestKind))


def after(*kinds: InterestKind) -> set[str]:
    since: rules.Since = {}
    for kind in kinds:
        since = rules.noted(since, kind, NOW)
    return set(since)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (["going"], {"going", "interested"}),
        (["liked", "going", "not_interested"], {"not_interested"}),
        (["viewed", "shared", "liked", "not_interested"], {"viewed", "shared", "not_interested"}),
        (["not_interested", "liked"], {"liked"}),
        (["not_interested", "interested"], {"interested"}),
        (["not_interested", "going"], {"going", "interested"}),
        (["not_interested", "viewed", "shared"], {"not_interested", "viewed", "shared"}),
    ],
)
def test_what_excludes_and_includes_what(said: list[str], left: set[str]) -> None:
    assert after(*map(InterestKind, said)) == left


def test_the_first_time_counts() -> None:
    once = rules.noted({}, InterestKind.LIKED, NOW)
    assert rules.noted(once, InterestKind.LIKED, LATER) == once == {"liked": NOW}


@pytest.mark.parametrize(
    ("back", "left"), [("going", {"liked", "interested"}), ("interested", {"liked"}), ("viewed", None)]
)
def test_taking_back(back: str, left: set[str] | None) -> None:
    since = dict.fromkeys(("liked", "interested", "going"), NOW)
    assert set(rules.withdrawn(since, InterestKind(back))) == (left if left is not None else set(since))


@given(st.lists(st.tuples(KINDS, st.booleans()), max_size=12))
def test_no_history_ends_in_a_contradiction(said: list[tuple[InterestKind, bool]]) -> None:
    since: rules.Since = {}
    for kind, did in said:
        since = rules.noted(since, kind, NOW) if did else rules.withdrawn(since, kind)
        assert (kind in since) is did
    assert not ({"not_interested"} <= since.keys() and rules.WANTED & since.keys())
    assert "going" not in since or "interested" in since


def test_at_most_a_thousand_of_each_kind_are_followed() -> None:
    taste = Taste(venue_ids=tuple(f"ven_{number}" for number in range(rules.MOST_FOLLOWED)))
    with pytest.raises(rules.FollowLimitReached):
        rules.following(taste, FollowKind.VENUE, "ven_new")
    assert rules.following(taste, FollowKind.VENUE, "ven_7") == taste
    assert rules.following(taste, FollowKind.ARTIST, "art_1").artist_ids == ("art_1",)
    room = rules.unfollowing(taste, FollowKind.VENUE, "ven_7")
    assert rules.following(room, FollowKind.VENUE, "ven_new").venue_ids[-1] == "ven_new"


def test_the_newest_five_hundred_stay_hidden() -> None:
    taste = Taste()
    for number in range(rules.MOST_HIDDEN + 2):
        taste = rules.hiding(taste, f"evt_{number}", hidden=True)
    assert (len(taste.hidden_event_ids), taste.hidden_event_ids[0]) == (rules.MOST_HIDDEN, "evt_2")
    again = rules.hiding(taste, "evt_2", hidden=True)
    assert again.hidden_event_ids[-1] == "evt_2"
    assert rules.hiding(again, "evt_2", hidden=False).hidden_event_ids == taste.hidden_event_ids[1:]


@pytest.mark.parametrize(
    ("statuses", "over", "proof"),
    [
        ([], True, None),
        (["used"], False, TicketStatus.USED),
        (["valid"], False, None),
        (["valid"], True, TicketStatus.VALID),
        (["valid", "used"], True, TicketStatus.USED),
        (["cancelled", "transferred"], True, None),
    ],
)
def test_what_shows_that_somebody_was_there(statuses: list[str], over: bool, proof: TicketStatus | None) -> None:
    [ticket] = new_tickets(an_order(units=1), NOW)
    tickets = [ticket.model_copy(update={"status": TicketStatus(status)}) for status in statuses]
    assert rules.proof_of_attendance(tickets, over=over) is proof
