"""POST /v1/session."""

from __future__ import annotations

from common import clock, kpi
from common.access import Access
from common.accounts import rules, store
from common.accounts.schemas import SessionReply, SessionRequest
from common.endpoint import Call, endpoint


@endpoint("POST", "/v1/session", access=Access.SIGNED_IN, body=SessionRequest, returns=SessionReply)
async def create_session(call: Call[SessionRequest]) -> SessionReply:
    """Begin a session: the first one creates the profile.

    The device, when it is given, gets the person's push messages from now on.
    """
    profile, is_new_user = await store.open_session(call.user, call.body.device_info, clock.now())
    kpi.count(kpi.LOG_IN)
    if is_new_user:
        kpi.count(kpi.SIGN_UP)
    return SessionReply(user=rules.user_reply(profile), is_new_user=is_new_user)
