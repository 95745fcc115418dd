"""Our books against a provider's, both ways: what was missed is settled, what cannot be explained is reported."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from common import clients, clock, log
from common.payments import settlement, store
from common.payments.gateways import RefundStatus
from common.payments.providers import gateway
from common.payments.reconciliation_rules import OurPayment, OurRefund, compare
from common.payments.refund_rules import PROVIDER
from common.payments.schemas import Discrepancy, Finding, Payment, Reconciliation, Refund, WebhookStatus
from common.wire import Record

RecordT = TypeVar("RecordT", bound=Record)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from common.payments.gateways import Gateway, GatewayName, ProviderPayment
    from common.payments.reconciliation_rules import Comparison, Repair

# Firestore compares a field with at most so many values in one query.
VALUES_IN_A_QUERY: Final = 30
# A capture that was missed may leave its fee to be booked.
ROUNDS: Final = 2
# A document holds a megabyte: of a night that went wrong altogether the first findings tell enough.
LISTED: Final = 200


async def reconcile(name: GatewayName, since: datetime, until: datetime) -> Reconciliation:
    """Compare everything that moved in this span, mend what is safe, compare again, and write down what came of it.

    Repeating it is harmless: it acts on facts, which take effect once. A repair that fails is left unexplained.
    """
    provider = gateway(name)
    theirs = {payment.payment_id: payment async for payment in provider.payments_between(since, until)}
    ours = await _our_books(name, theirs.keys() | await _moved(name, since, until))
    await _add_older(provider, theirs, ours)
    comparison = compare(theirs, ours, (), until)
    foreign = [each.finding for each in comparison.repairs if each.finding.discrepancy is Discrepancy.FOREIGN]
    mended: list[Finding] = []
    for _ in range(ROUNDS):
        safe = [repair for repair in comparison.repairs if repair.is_safe]
        foreign += await _mend(safe)
        ours |= await _our_books(name, {repair.finding.payment_id for repair in safe})
        comparison = compare(theirs, ours, [each.payment_id for each in foreign], until)
        mended += [repair.finding for repair in safe]
    sizes = {"theirs": len(theirs), "ours": len(ours)}
    report = _report(name, since, until, comparison, mended, foreign, sizes)
    _tell(report)
    path = f"reconciliations/{until:%Y-%m-%d}_{name}"
    await clients.firestore().document(path).set(report.document())
    return report


async def _add_older(provider: Gateway, theirs: dict[str, ProviderPayment], ours: dict[str, OurPayment]) -> None:
    """What moved here in the span may have begun at the provider before it."""
    for payment_id in ours.keys() - theirs.keys():
        found = await provider.find_payment(payment_id)
        if found is not None:
            theirs[payment_id] = found


async def _mend(repairs: Iterable[Repair]) -> list[Finding]:
    """Act on every fact that was missed; what turned out to be of no order of ours."""
    foreign: list[Finding] = []
    for repair in repairs:
        try:
            if await settlement.act_on(*repair.facts) is WebhookStatus.UNMATCHED:
                foreign.append(repair.finding.model_copy(update={"discrepancy": Discrepancy.FOREIGN}))
        except Exception as failure:  # one payment that cannot be mended must not keep the others from it
            log.error("repair failed", failure, paymentId=repair.finding.payment_id)
    return foreign


async def _moved(name: GatewayName, since: datetime, until: datetime) -> set[str]:
    """The provider's payments of which our books say that they were captured or refunded in this span, or are being."""
    captured, asked, pending = await asyncio.gather(
        _selected(store.PAYMENTS, name, ("capturedAt", ">=", since), ("capturedAt", "<=", until)),
        _selected("refunds", name, ("createdAt", ">=", since), ("createdAt", "<=", until)),
        _selected("refunds", name, ("status", "==", RefundStatus.PENDING)),
    )
    return {paid for fields in (*captured, *asked, *pending) if (paid := fields["providerPaymentId"])}


async def _selected(collection: str, name: GatewayName, *conditions: tuple[str, str, Any]) -> list[dict[str, Any]]:
    from google.cloud.firestore import FieldFilter

    query = clients.firestore().collection(collection).where(filter=FieldFilter("gateway", "==", name))
    for field, operator, value in conditions:
        query = query.where(filter=FieldFilter(field, operator, value))
    return [found.to_dict() or {} async for found in query.stream()]


async def _our_books(name: GatewayName, payment_ids: Collection[str]) -> dict[str, OurPayment]:
    """What we have of these payments of the provider's; what we know nothing of is left out."""
    bought, refunds = await asyncio.gather(
        _of_provider(store.PAYMENTS, Payment, payment_ids), _of_provider("refunds", Refund, payment_ids)
    )
    by_payment: dict[str, list[Refund]] = {}
    for refund in refunds:
        if refund.gateway is name:
            by_payment.setdefault(refund.provider_payment_id or "", []).append(refund)
    payments = {each.provider_payment_id or "": each for each in bought if each.gateway is name}
    payments |= await _payments_of_strays({each: by_payment[each] for each in by_payment.keys() - payments.keys()})
    return {
        payment_id: _our_payment(payment_id, payments[payment_id], by_payment.get(payment_id, []))
        for payment_id in payment_ids & payments.keys()
        if payments[payment_id].attempts.get(payment_id) is not None
    }


async def _payments_of_strays(refunds: dict[str, list[Refund]]) -> dict[str, Payment]:
    """An attempt that bought nothing has a refund, and stands beside others in its order's record."""
    client = clients.firestore()
    paths = {
        payment_id: store.payment_path(some[0].order_id, some[0].gateway)
        for payment_id, some in refunds.items()
        if some[0].gateway is not None
    }
    if not paths:
        return {}
    read = client.get_all([client.document(path) for path in set(paths.values())])
    found = {each.reference.path: Payment.of(each.to_dict()) async for each in read if each.exists}
    return {payment_id: found[path] for payment_id, path in paths.items() if path in found}


def _our_payment(payment_id: str, payment: Payment, refunds: list[Refund]) -> OurPayment:
    attempt = payment.attempts[payment_id]
    moments = [attempt.captured_at] if attempt.captured_at else [each.created_at for each in refunds]
    return OurPayment(
        payment_id=payment_id,
        order_id=payment.order_id,
        captured=attempt.captured,
        captured_at=min(moments, default=payment.created_at),
        fee_booked=payment_id in payment.fees_booked,
        refunds=tuple(
            OurRefund(
                refund_id=refund.refund_id,
                provider_refund_id=refund.provider_refund_id,
                amount=refund.amount,
                succeeded=refund.status is RefundStatus.SUCCEEDED,
                created_at=refund.created_at,
            )
            for refund in refunds
            if not _is_chargeback(refund)
        ),
    )


def _is_chargeback(refund: Refund) -> bool:
    """What a lost dispute took: no provider has it among its refunds, and Razorpay lists it nowhere."""
    return refund.reason == "chargeback" and refund.requested_by == PROVIDER


async def _of_provider(collection: str, record: type[RecordT], payment_ids: Collection[str]) -> list[RecordT]:
    """Our documents about these payments of the provider's."""
    from google.cloud.firestore import FieldFilter

    found: list[RecordT] = []
    named = sorted(payment_ids)
    for first in range(0, len(named), VALUES_IN_A_QUERY):
        some = named[first : first + VALUES_IN_A_QUERY]
        query = clients.firestore().collection(collection).where(filter=FieldFilter("providerPaymentId", "in", some))
        found += [record.of(each.to_dict()) async for each in query.stream()]
    return found


def _report(
    name: GatewayName,
    since: datetime,
    until: datetime,
    comparison: Comparison,
    mended: list[Finding],
    foreign: list[Finding],
    sizes: dict[str, int],
) -> Reconciliation:
    unexplained = [repair.finding for repair in comparison.repairs]
    known = {each.payment_id for each in foreign}
    unique = {(each.payment_id, each.discrepancy, each.detail): each for each in mended}
    repaired = [each for each in unique.values() if each not in unexplained and each.payment_id not in known]
    found = {"repaired": len(repaired), "unexplained": len(unexplained), "foreign": len(foreign)}
    return Reconciliation(
        gateway=name,
        since=since,
        until=until,
        counts=sizes | found | {"inMotion": comparison.in_motion},
        sum_theirs=dict(comparison.sum_theirs),
        sum_ours=dict(comparison.sum_ours),
        difference=comparison.difference,
        repaired=tuple(repaired[:LISTED]),
        unexplained=tuple(unexplained[:LISTED]),
        foreign=tuple(foreign[:LISTED]),
        finished_at=clock.now(),
    )


def _tell(report: Reconciliation) -> None:
    for finding in report.unexplained:
        log.alert("books differ from the provider's", gateway=report.gateway, **finding.document())
    for finding in report.foreign:
        log.warning("payment of no order of ours", gateway=report.gateway, **finding.document())
    if any(report.difference.values()) and not report.unexplained:
        log.alert("sums differ from the provider's", gateway=report.gateway, difference=report.difference)
    log.info("reconciliation finished", gateway=report.gateway, **report.counts)
