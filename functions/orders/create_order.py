"""POST /v1/orders."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, Idempotency, Resources, endpoint
from common.errors import NotFound
from common.orders import replies, store
from common.orders.inventory import Busy, SalesClosed, SoldOut
from common.orders.pricing import PriceChanged, PromoCodeNotApplicable
from common.orders.rules import (
    LimitReached,
    PromoCodeLimitReached,
    PromoCodeUsedUp,
    RepeatedTier,
    TooManyHolders,
    UnknownPromoCode,
    UnknownTier,
)
from common.orders.schemas import OrderReply, OrderRequest


@endpoint(
    "POST",
    "/v1/orders",
    access=Access.SIGNED_IN,
    body=OrderRequest,
    returns=OrderReply,
    status=201,
    errors=(
        NotFound,
        SoldOut,
        SalesClosed,
        LimitReached,
        UnknownTier,
        RepeatedTier,
        TooManyHolders,
        PriceChanged,
        UnknownPromoCode,
        PromoCodeNotApplicable,
        PromoCodeUsedUp,
        PromoCodeLimitReached,
        Busy,
    ),
    idempotency=Idempotency.DERIVED_ID,
    resources=Resources(memory_mb=1024, concurrency=200),
)
async def create_order(call: Call[OrderRequest]) -> OrderReply:
    """Hold units of one or more tiers for the caller.

    All lines or none. The hold lasts ten minutes; checkout pays it, at the price that was held whatever changes
    meanwhile. With `unitPrice`, a line is held at that price only.
    """
    order = await store.hold(
        call.body,
        call.user,
        call.id_for("ord"),
        call.fingerprint,
        may_repeat=call.idempotency_key is not None,
    )
    return replies.order_reply(order)
