"""DELETE /v1/events/{eventId}/review."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.social import reviews


@endpoint("DELETE", "/v1/events/{eventId}/review", access=Access.SIGNED_IN, status=204)
async def delete_review(call: Call) -> None:
    """Take the caller's review back; also done where there is none."""
    await reviews.delete(call.user.user_id, call.path["eventId"], clock.now())
