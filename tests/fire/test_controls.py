"""Each promise with its guard switched off: the same scenario under the same fault must go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore_v1.services.firestore.async_client import FirestoreAsyncClient
from google.cloud.firestore_v1.types import CommitRequest, Write

from common.endpoint import Call
from common.ids import new_id
from common.notifications import notices
from common.payments.stripe_gateway import StripeGateway
from tests.fire.faults import Fault, Mode, collection_of, described
from tests.fire.matrix import record, replay
from tests.fire.scenario import all_scenarios
from tests.fire.world import World

if TYPE_CHECKING:
    from common.payments.gateways import Checkout, CheckoutRequest
    from tests.fire.world import Site


def went_wrong(site: Site, name: str, mode: Mode, label: str) -> str:
    """What broke under faults at the points that bear this label. A clean run must break nothing."""
    scenario = all_scenarios()[name]
    points = [point for point in record(site, scenario) if label in point.label and mode in point.modes]
    assert points, f"no point {label}"
    failures = [replay(site, scenario, Fault(point, mode)) for point in points]
    assert any(failures), f"{name}: nothing broke without its guard"
    return "\n".join(map(str, failures))


Change = Callable[[list[Write]], list[Write]]


def change_commits(patch: pytest.MonkeyPatch, *changes: Change) -> None:
    """Let the database get other writes than the product sent: one commit for each change that leaves any."""
    commit = FirestoreAsyncClient.commit

    async def changed(self: FirestoreAsyncClient, request: Any = None, **more: Any) -> Any:
        asked = CommitRequest(request)
        first, *later = [part for change in changes if (part := change(list(asked.writes)))]
        whole = CommitRequest(database=asked.database, writes=first, transaction=asked.transaction)
        reply = await commit(self, request=whole, **more)
        for part in later:
            await commit(self, request=CommitRequest(database=asked.database, writes=part), **more)
        return reply

    patch.setattr(FirestoreAsyncClient, "commit", changed)


def unguarded(*collections: str) -> Change:
    """Writes without their preconditions."""

    def change(writes: list[Write]) -> list[Write]:
        for write in writes:
            if collection_of(write) in collections:
                Write.pb(write).ClearField("current_document")
        return writes

    return change


def only_the(verb: str, collection: str) -> Change:
    """The creates or updates in a collection."""
    return lambda writes: [write for write in writes if _is(write, verb, collection)]


def without(verb: str, collection: str) -> Change:
    """All but these."""
    return lambda writes: [write for write in writes if not _is(write, verb, collection)]


def _is(write: Write, verb: str, collection: str) -> bool:
    return described(write) == f"{verb} {collection}"


async def no_sweep(world: World) -> None:
    """The sweeper does not come."""


def test_control_no_oversell(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the shard's update_time nor the units' existence is checked: a late commit overwrites the rival's."""
    change_commits(monkeypatch, unguarded("shards", "units"))
    assert "owns its units" in went_wrong(site, "create_order, a rival meanwhile", Mode.DELAY, "units")


def test_control_one_order_per_key(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Call, "id_for", lambda self, prefix: new_id(prefix))
    why = went_wrong(site, "create_order, two buyers in one commit", Mode.DIE_AFTER, "create orders")
    assert "two of one buyer" in why


def test_control_the_limit_per_person(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    change_commits(monkeypatch, unguarded("buyers"))
    why = went_wrong(site, "create_order, the same person meanwhile", Mode.DELAY, "create orders")
    assert "both have it" in why


def test_control_the_outbox_travels_with_its_commit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry as a commit of its own, which the crash then prevents."""
    change_commits(monkeypatch, without("create", "outbox"), only_the("create", "outbox"))
    assert "nobody will release the hold" in went_wrong(site, "create_order", Mode.DIE_AFTER, "create orders")


def test_control_what_was_not_handed_over_is_swept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "sweep", no_sweep)
    assert "stuck in the outbox" in went_wrong(site, "create_order", Mode.DIE_AFTER, "create orders")


def test_control_a_webhook_is_settled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "sweep", no_sweep)
    assert "unsettled webhook" in went_wrong(site, "settle_payment, stripe", Mode.DIE_AFTER, "create webhooks")


def test_control_one_set_of_tickets_per_payment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the payment is known is written after its tickets: its repeat looks like a second one and goes back."""
    change_commits(monkeypatch, without("update", "payments"), only_the("update", "payments"))
    assert "captured" in went_wrong(site, "settle_payment, stripe", Mode.DIE_AFTER, "create tickets")


def test_control_a_refund_is_made_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider cannot tell the repeat from another refund."""
    refund = StripeGateway.refund

    async def under_another_key(self: StripeGateway, *arguments: Any, refund_key: str, **more: Any) -> Any:
        return await refund(self, *arguments, refund_key=new_id(refund_key), **more)

    monkeypatch.setattr(StripeGateway, "refund", under_another_key)
    why = went_wrong(site, "refund of one ticket by the buyer", Mode.DIE_AFTER, "refund")
    assert "1 refunds of ours, 2 at the providers" in why


@pytest.mark.parametrize("name", ["transfer_ticket", "refund by the organizer, stripe"])
def test_control_the_old_ticket_dies_in_the_same_commit(site: Site, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Left as it was, it would open the door beside the new one, or for nothing."""
    change_commits(monkeypatch, without("update", "tickets"))
    with pytest.raises(AssertionError, match="valid tickets are sold units"):
        record(site, all_scenarios()[name])


def test_control_one_payment_at_the_provider(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider cannot tell the repeat from another order."""
    create = StripeGateway.create_checkout

    async def under_another_key(self: StripeGateway, request: CheckoutRequest) -> Checkout:
        return await create(self, replace(request, idempotency_key=new_id("key")))

    monkeypatch.setattr(StripeGateway, "create_checkout", under_another_key)
    assert "more than one payment" in went_wrong(site, "checkout, stripe", Mode.DIE_AFTER, "create_checkout")


def test_control_a_message_goes_out_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def always(event_id: str, user: str, channel: str, address: str, send: Callable[[], Awaitable[str]]) -> None:
        await send()

    monkeypatch.setattr(notices, "once", always)
    assert "mails" in went_wrong(site, "settle_payment, stripe", Mode.TWICE, "order.ticketed")
