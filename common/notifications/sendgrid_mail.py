"""Mail through SendGrid's v3 API."""

from __future__ import annotations

from email.utils import parseaddr

from common.config import config
from common.notifications.delivery import MessageNotSent, RecipientRefused, post, told


async def send_mail(to: str, subject: str, text: str, html: str | None = None) -> str:
    """Send one mail to one person. Returns SendGrid's message id."""
    name, address = parseaddr(config().mail_from)
    content = [{"type": "text/plain", "value": text}] + ([{"type": "text/html", "value": html}] if html else [])
    reply = await post(
        f"{config().sendgrid_api_base}/v3/mail/send",
        headers={"Authorization": f"Bearer {config().sendgrid_api_key}"},
        json={
            "personalizations": [{"to": [{"email": to}]}],
            "from": {"email": address} | ({"name": name} if name else {}),
            "subject": subject,
            "content": content,
        },
    )
    if reply.status_code == 202:
        return reply.headers["X-Message-Id"]
    errors = told(reply).get("errors", [])
    if any(str(error.get("field")).startswith("personalizations") for error in errors):
        raise RecipientRefused("the mail address is not valid")
    raise MessageNotSent(f"SendGrid answered {reply.status_code}: {errors}")
