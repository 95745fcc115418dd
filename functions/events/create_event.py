"""POST /v1/events."""

from __future__ import annotations

from common import clock
from common.catalogue.rules import UnknownTour
from common.catalogue.store import require_tour
from common.endpoint import Call, Idempotency, endpoint
from common.errors import NotFound
from common.events import rules, store
from common.events.schemas import EventReply, EventRequest
from common.organizations import store as organizations
from common.organizations.policy import organization_role
from common.organizations.schemas import Role


@endpoint(
    "POST",
    "/v1/events",
    access=organization_role(Role.OWNER, Role.MANAGER),
    body=EventRequest,
    returns=EventReply,
    status=201,
    errors=(NotFound, UnknownTour),
    idempotency=Idempotency.RECORDED,
)
async def create_event(call: Call[EventRequest]) -> EventReply:
    """Draft an event of an organization; its tiers are priced in the organization's currency."""
    now = clock.now()
    organization = await organizations.find(call.body.org_id)
    if organization is None:
        raise NotFound("There is no such organization.")
    await require_tour(call.body.tour_id, organization.org_id)
    draft = rules.new_event(call.body, call.id_for("evt"), organization.currency, organization.country, now)
    return rules.event_reply(await store.create(draft), now)
