"""Push notifications through Firebase Cloud Messaging's HTTP v1 API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.config import config
from common.google_token import google_access_token
from common.notifications.delivery import MessageNotSent, RecipientRefused, post, told

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = {"UNREGISTERED", "SENDER_ID_MISMATCH"}


async def send_push(token: str, title: str, body: str, data: Mapping[str, str]) -> str:
    """Show a notification on one device; `data` goes to the app. Returns FCM's message name."""
    bearer = await google_access_token()
    reply = await post(
        f"{config().fcm_api_base}/v1/projects/{config().project}/messages:send",
        headers={"Authorization": f"Bearer {bearer}"},
        json={"message": {"token": token, "notification": {"title": title, "body": body}, "data": dict(data)}},
    )
    document = told(reply)
    if reply.status_code == 200:
        return str(document["name"])
    error = document.get("error", {})
    if _token_is_gone(error):
        raise RecipientRefused("the device is not registered any more")
    raise MessageNotSent(f"FCM answered {reply.status_code}: {error.get('message')}")


def _token_is_gone(error: dict[str, Any]) -> bool:
    details = error.get("details", [])
    if GONE & {detail.get("errorCode") for detail in details}:
        return True
    # INVALID_ARGUMENT is also what a fault of ours gets: only where it is about the token is the device to blame.
    violations = [violation for detail in details for violation in detail.get("fieldViolations", [])]
    about_token = any(violation.get("field") == "message.token" for violation in violations)
    return about_token or "registration token" in str(error.get("message")).lower()
