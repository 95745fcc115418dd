"""SMS and WhatsApp through Twilio's Messages API."""

from __future__ import annotations

from common.config import config
from common.notifications.delivery import MessageNotSent, RecipientRefused, post, told

# Not a number, not reachable from here, opted out, not a mobile, not on WhatsApp.
REFUSALS = {21211, 21214, 21265, 21408, 21610, 21612, 21614, 63003, 63024}


async def send_sms(to: str, text: str) -> str:
    """Send an SMS to an E.164 number. Returns Twilio's message id."""
    return await _send(to, config().sms_from, text)


async def send_whatsapp(to: str, text: str) -> str:
    """Send a WhatsApp message to an E.164 number. Returns Twilio's message id."""
    return await _send(f"whatsapp:{to}", f"whatsapp:{config().sms_from}", text)


async def _send(to: str, sender: str, text: str) -> str:
    sid = config().twilio_account_sid
    reply = await post(
        f"{config().twilio_api_base}/2010-04-01/Accounts/{sid}/Messages.json",
        auth=(sid, config().twilio_auth_token),
        data={"To": to, "From": sender, "Body": text},
    )
    document = told(reply)
    if reply.status_code == 201:
        return str(document["sid"])
    if document.get("code") in REFUSALS:
        raise RecipientRefused(str(document.get("message")))
    raise MessageNotSent(f"Twilio answered {reply.status_code}: {document.get('message')}")
