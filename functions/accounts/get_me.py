"""GET /v1/me."""

from __future__ import annotations

from common.access import Access
from common.accounts import rules, store
from common.accounts.schemas import UserReply
from common.endpoint import Call, endpoint
from common.errors import NotFound


@endpoint("GET", "/v1/me", access=Access.SIGNED_IN, returns=UserReply, errors=(NotFound,))
async def get_me(call: Call) -> UserReply:
    """The caller's profile."""
    profile = await store.profile(call.user.user_id)
    if profile is None:
        raise NotFound("Sign in with POST /v1/session first.")
    return rules.user_reply(profile)
