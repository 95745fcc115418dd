"""DELETE /v1/events/{eventId}/promo-codes/{code}."""

from __future__ import annotations

from typing import Final

from common import clock
from common.endpoint import Call, endpoint
from common.errors import Forbidden
from common.orders import promotions
from common.organizations.policy import event_role
from common.organizations.schemas import Role

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint(
    "DELETE",
    "/v1/events/{eventId}/promo-codes/{code}",
    access=ORGANIZERS,
    status=204,
    errors=(Forbidden,),
)
async def delete_promo_code(call: Call) -> None:
    """End a promo code: no booking with it follows this reply.

    Orders that have it keep it, and the list goes on to show it, as not active. Repeating it changes nothing.
    """
    seen = await ORGANIZERS.event(call)
    await promotions.end(seen.event.event_id, call.path["code"].upper(), clock.now())
