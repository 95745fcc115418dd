"""A refund's money is moved in attempts, each under a key of its own at the provider, until one has succeeded.

An attempt begins only after the one before it is known to have failed: so no two can both pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common import clients, clock, log, outbox
from common.money import Money
from common.payments import refund_rules, settlement, store
from common.payments.gateways import GatewayName, GatewayRefused, PaymentEvent, PaymentEventKind, RefundStatus
from common.payments.providers import gateway
from common.payments.refund_rules import RefundNotFailed
from common.payments.schemas import Refund
from common.transaction import in_transaction, read
from common.trigger import RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud.firestore import AsyncTransaction

    from common.payments.gateways import RefundResult
    from common.payments.schemas import Payment

ENDED = {RefundStatus.SUCCEEDED: PaymentEventKind.REFUNDED, RefundStatus.FAILED: PaymentEventKind.REFUND_FAILED}


async def execute(refund_id: str, attempt: int) -> None:
    """Have the provider pay the money back. Every repeat of an attempt meets the same refund at the provider."""
    refund = await store.find_refund(refund_id)
    if refund is None or refund.status is not RefundStatus.PENDING or refund.attempt != attempt:
        return
    if refund.gateway is None or refund.provider_payment_id is None:
        return
    payment = await store.find_payment(refund.order_id, refund.gateway)
    if payment is None:
        return
    try:
        result = await gateway(refund.gateway).refund(
            refund.provider_payment_id,
            refund.amount,
            refund_key=refund.key,
            order_id=refund.order_id,
            reason=refund.reason,
        )
    except GatewayRefused as refused:
        await _refused(refund, payment, refused.detail or refused.title)
        return
    if result.status is RefundStatus.PENDING:
        await _change(refund, lambda now: now.model_copy(update={"provider_refund_id": result.refund_id}))
        raise RetryLater("The provider has not finished the refund.")
    await settlement.learn(refund.order_id, [_fact(refund, refund.gateway, payment, result)])


def _fact(refund: Refund, name: GatewayName, payment: Payment, result: RefundResult) -> PaymentEvent:
    paid = refund.amount.amount_minor if result.amount_minor is None else result.amount_minor
    return PaymentEvent(
        gateway=name,
        event_id=f"{result.status}:{result.refund_id}",
        kind=ENDED[result.status],
        reference=_reference(refund, payment),
        payment_id=refund.provider_payment_id or "",
        order_id=refund.order_id,
        amount=Money(amount_minor=paid, currency=refund.amount.currency),
        refund_id=result.refund_id,
        occurred_at=clock.now(),
        refund_key=refund.key,
    )


def _reference(refund: Refund, payment: Payment) -> str:
    attempt = payment.attempts.get(refund.provider_payment_id or "")
    return attempt.reference if attempt else payment.reference


async def _refused(refund: Refund, payment: Payment, why: str) -> None:
    """Somebody may have paid it back already: look at what stands at the provider before this counts as a failure."""
    log.warning("refund refused by the provider", refundId=refund.refund_id, attempt=refund.attempt, why=why)
    try:
        await settlement.look(payment, _reference(refund, payment))
    except GatewayRefused as unreadable:
        log.warning("the provider does not show the payment", refundId=refund.refund_id, why=unreadable.detail)
    after = await _change(refund, lambda now: refund_rules.after_failure(now, why, clock.now()))
    if after is None:
        raise RetryLater("The refund changed at this moment: if it is still to be made, then as it is now.")
    if after.status is RefundStatus.FAILED:
        log.alert("refund failed for good", refundId=refund.refund_id, gateway=refund.gateway)


async def retry(refund: Refund) -> Refund:
    """Begin one more attempt of a refund that has failed. RefundNotFailed for any other."""
    if refund.status is not RefundStatus.FAILED:
        raise RefundNotFailed(f"The refund is {refund.status}.")
    after = await _change(refund, lambda now: refund_rules.next_attempt(now, None))
    if after is None:
        raise RefundNotFailed("The refund changed at this moment.")
    return after


async def _change(refund: Refund, change: Callable[[Refund], Refund]) -> Refund | None:
    """Change a refund and plan its next attempt; None when its state, attempt or amount is not the one seen."""

    async def work(transaction: AsyncTransaction) -> Refund | None:
        [fields] = await read(transaction, store.refund_path(refund.refund_id))
        now = Refund.of(fields)
        if (now.status, now.attempt, now.amount) != (refund.status, refund.attempt, refund.amount):
            return None
        after = change(now)
        transaction.set(_document(store.refund_path(refund.refund_id)), after.document())
        if after.attempt != now.attempt:
            _plan(transaction, store.refund_task(after))
        if after.status is RefundStatus.FAILED:
            _plan(transaction, event=store.refund_event("refund.failed", after, clock.now()))
        return after

    return await in_transaction(work)


def _plan(transaction: AsyncTransaction, *tasks: outbox.PlannedTask, event: outbox.DomainEvent | None = None) -> None:
    path, entry = outbox.entry(clock.now(), event, *tasks)
    transaction.create(_document(path), entry)


def _document(path: str) -> Any:
    return clients.firestore().document(path)
