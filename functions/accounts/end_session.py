"""DELETE /v1/session."""

from __future__ import annotations

from common.access import Access
from common.accounts import sessions, store
from common.endpoint import Call, endpoint


@endpoint("DELETE", "/v1/session", access=Access.SIGNED_IN, status=204)
async def end_session(call: Call) -> None:
    """Sign out on every device: refresh tokens are revoked and push messages stop. The profile stays."""
    await sessions.revoke(call.user.user_id)
    await store.forget_devices(call.user.user_id)
