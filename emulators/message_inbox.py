"""Where the local cloud's push, mail, SMS and WhatsApp messages arrive: the providers' wire calls, shown to people."""

from __future__ import annotations

import json
import re
import secrets
from base64 import b64decode
from binascii import Error as NotBase64
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from emulators.html_page import Html, fragment, page
from emulators.provider_state import Json, new_id

if TYPE_CHECKING:
    from starlette.requests import Request

KEPT = 1000
CHANNELS = ("push", "mail", "sms", "whatsapp")
E164 = re.compile(r"\+[1-9]\d{6,14}")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
MAIL_HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message"
# A device token that starts so belongs to an app that was uninstalled.
UNREGISTERED = "unregistered"


@dataclass(frozen=True)
class Message:
    """One message that would have gone out. `project` is the FCM project, the mail's sender or the Twilio account."""

    id: str
    channel: str
    to: str
    sender: str
    subject: str
    text: str
    html: str | None
    data: dict[str, str]
    project: str
    at: str


class Refused(Exception):
    """A send that the provider answers with an error of its own shape."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(body)
        self.status, self.body = status, body


class Inbox:
    """The last messages, newest first, and the failures that are still to come."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque(maxlen=KEPT)
        self.faults: dict[str, int] = {}

    def fails(self, channel: str) -> bool:
        """Whether this send is one of those that were asked to fail."""
        left = self.faults.get(channel, 0)
        self.faults[channel] = max(0, left - 1)
        return left > 0

    def keep(self, channel: str, message_id: str, to: str, project: str, **rest: Any) -> None:
        """Take a message in."""
        told = {"sender": "", "subject": "", "text": "", "html": None, "data": {}} | rest
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.messages.appendleft(Message(id=message_id, channel=channel, to=to, project=project, at=at, **told))

    def found(self, request: Request) -> list[Message]:
        """The messages that the query asks for."""
        asked = {name: request.query_params.get(name) for name in ("to", "channel", "project")}
        return [m for m in self.messages if all(v in (None, "", getattr(m, k)) for k, v in asked.items())]


def _fcm_error(status: int, name: str, message: str, code: str, field: str | None = None) -> Refused:
    details: list[Json] = [{"@type": FCM_ERROR, "errorCode": code}]
    if field:
        violation = {"field": field, "description": message}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    error = {"code": status, "message": message, "status": name, "details": details}
    return Refused(status, {"error": error})


async def receive_push(request: Request) -> Response:
    """POST /v1/projects/{project}/messages:send, as FCM HTTP v1 takes it."""
    inbox: Inbox = request.app.state.inbox
    message = (await _json(request)).get("message")
    if inbox.fails("push"):
        raise _fcm_error(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE")
    if not isinstance(message, dict) or not any(message.get(name) for name in ("token", "topic", "condition")):
        text = "Recipient of the message is not set."
        raise _fcm_error(400, "INVALID_ARGUMENT", text, "INVALID_ARGUMENT", "message")
    data, notification = message.get("data") or {}, message.get("notification") or {}
    for name, value in data.items():
        if not isinstance(value, str):
            text = f"Invalid value at 'message.data[{name}].value' (TYPE_STRING), {json.dumps(value)}"
            raise _fcm_error(400, "INVALID_ARGUMENT", text, "INVALID_ARGUMENT", f"message.data[{name}].value")
    token = message.get("token") or message.get("topic") or message["condition"]
    if len(json.dumps([data, notification], ensure_ascii=False).encode()) > 4096:
        raise _fcm_error(400, "INVALID_ARGUMENT", "Android message is too big", "INVALID_ARGUMENT", "message")
    if str(token).startswith(UNREGISTERED):
        raise _fcm_error(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
    project = request.path_params["project"]
    name = f"projects/{project}/messages/{secrets.randbits(63)}"
    said = {"subject": notification.get("title", ""), "text": notification.get("body", ""), "data": data}
    inbox.keep("push", name, str(token), project, **said)
    return JSONResponse({"name": name})


def _mail_error(status: int, message: str, field: str | None = None) -> Refused:
    error = {"message": message, "field": field, "help": f"{MAIL_HELP}.{field}" if field else None}
    return Refused(status, {"errors": [error]})


async def receive_mail(request: Request) -> Response:
    """POST /v3/mail/send, as SendGrid takes it; each recipient's copy is a message of its own."""
    inbox: Inbox = request.app.state.inbox
    if not re.fullmatch(r"Bearer \S+", request.headers.get("authorization", "")):
        raise _mail_error(401, "The provided authorization grant is invalid, expired, or revoked")
    if inbox.fails("mail"):
        raise _mail_error(503, "The SendGrid v3 Web API is not available.")
    mail = await _json(request)
    sender = (mail.get("from") or {}).get("email", "")
    content = {part.get("type"): part.get("value", "") for part in mail.get("content") or []}
    recipients = [to.get("email", "") for block in mail.get("personalizations") or [] for to in block.get("to") or []]
    if not recipients:
        text = "The personalizations field is required and must have at least one personalization."
        raise _mail_error(400, text, "personalizations")
    if not ADDRESS.fullmatch(sender):
        raise _mail_error(400, "The from object must be provided for every email send.", "from.email")
    for position, to in enumerate(recipients):
        if not ADDRESS.fullmatch(to):
            raise _mail_error(400, "Does not contain a valid address.", f"personalizations.0.to.{position}.email")
    if not mail.get("subject"):
        raise _mail_error(400, "The subject is required.", "subject")
    if not content or not all(content.values()):
        raise _mail_error(400, "The content value must be a string at least one character in length.", "content")
    message_id = new_id("", 22)
    said = {"sender": sender, "subject": mail["subject"], "data": dict(mail.get("custom_args") or {})}
    for to in recipients:
        text = content.get("text/plain", "")
        inbox.keep("mail", message_id, to, sender, text=text, html=content.get("text/html"), **said)
    return Response(status_code=202, headers={"X-Message-Id": message_id})


def _twilio_error(status: int, code: int, message: str) -> Refused:
    info = f"https://www.twilio.com/docs/errors/{code}"
    return Refused(status, {"code": code, "message": message, "more_info": info, "status": status})


def _twilio_account(header: str) -> str:
    try:
        account, _, token = b64decode(header.removeprefix("Basic ")).decode().partition(":")
    except (NotBase64, UnicodeDecodeError):
        return ""
    return account if token else ""


async def receive_text(request: Request) -> Response:
    """POST /2010-04-01/Accounts/{sid}/Messages.json, as Twilio takes it; whatsapp:+… numbers are WhatsApp."""
    inbox: Inbox = request.app.state.inbox
    sid = request.path_params["sid"]
    if _twilio_account(request.headers.get("authorization", "")) != sid:
        raise _twilio_error(401, 20003, "Authenticate")
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    channel = "whatsapp" if to.startswith("whatsapp:") else "sms"
    number = to.removeprefix("whatsapp:")
    if inbox.fails(channel):
        raise _twilio_error(503, 20503, "Service unavailable")
    if not to:
        raise _twilio_error(400, 21604, "A 'To' phone number is required.")
    if not E164.fullmatch(number):
        raise _twilio_error(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if not sender and not form.get("MessagingServiceSid"):
        raise _twilio_error(400, 21603, "A 'From' phone number is required.")
    if sender.startswith("whatsapp:") != (channel == "whatsapp"):
        raise _twilio_error(400, 63007, "Twilio could not find a Channel with the specified From address")
    if not body:
        raise _twilio_error(400, 21602, "Message body is required.")
    if len(body) > 1600:
        raise _twilio_error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    message_id = "SM" + secrets.token_hex(16)
    inbox.keep(channel, message_id, number, sid, sender=sender, text=body)
    now = format_datetime(datetime.now(UTC))
    reply = {"sid": message_id, "account_sid": sid, "api_version": "2010-04-01", "to": to, "from": sender, "body": body}
    reply |= {"date_created": now, "date_updated": now, "date_sent": None, "direction": "outbound-api"}
    reply |= {"error_code": None, "error_message": None, "messaging_service_sid": None, "num_media": "0"}
    reply |= {"num_segments": str(-(-len(body) // 160)), "price": None, "price_unit": "USD", "status": "queued"}
    return JSONResponse(reply | {"uri": f"/2010-04-01/Accounts/{sid}/Messages/{message_id}.json"}, 201)


async def show(request: Request) -> Response:
    """GET /: the page, which looks again by itself."""
    inbox: Inbox = request.app.state.inbox
    here = request.query_params.get("channel", "")
    filters = [
        fragment("inbox_filter", address=f"/?channel={name}", state="here" if name == here else "", label=name or "all")
        for name in ("", *CHANNELS)
    ]
    cards = [
        fragment(
            "inbox_message",
            channel=message.channel,
            at=message.at,
            to=message.to,
            project=message.project,
            subject=message.subject,
            text=message.text or "(HTML only)",
        )
        for message in inbox.found(request)
    ]
    rows = Html("".join(cards)) if cards else fragment("nothing", text="No messages yet.")
    body = fragment("inbox", filters=Html("".join(filters)), rows=rows)
    return HTMLResponse(page("Message inbox", body, refresh_seconds=3))


async def list_messages(request: Request) -> Response:
    """GET /messages?to=&channel=&project=, newest first."""
    inbox: Inbox = request.app.state.inbox
    return JSONResponse({"messages": [asdict(message) for message in inbox.found(request)]})


async def clear(request: Request) -> Response:
    """DELETE /messages."""
    request.app.state.inbox.messages.clear()
    return Response(status_code=204)


async def add_fault(request: Request) -> Response:
    """POST /_control/faults {channel, times}: the next sends on that channel answer 503."""
    command = await _json(request)
    channel, times = command.get("channel"), command.get("times", 1)
    if channel not in CHANNELS or not isinstance(times, int) or times < 0:
        return JSONResponse({"error": f"channel is one of {', '.join(CHANNELS)}; times is 0 or more"}, 422)
    request.app.state.inbox.faults[channel] = times
    return Response(status_code=204)


async def _json(request: Request) -> Json:
    try:
        value = json.loads(await request.body())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


async def _refused(request: Request, refused: Exception) -> Response:
    if not isinstance(refused, Refused):
        raise refused
    return JSONResponse(refused.body, refused.status)


def create_app() -> Starlette:
    """An empty inbox."""
    app = Starlette(
        exception_handlers={Refused: _refused},
        routes=[
            Route("/v1/projects/{project}/messages:send", receive_push, methods=["POST"]),
            Route("/v3/mail/send", receive_mail, methods=["POST"]),
            Route("/2010-04-01/Accounts/{sid}/Messages.json", receive_text, methods=["POST"]),
            Route("/", show),
            Route("/messages", list_messages),
            Route("/messages", clear, methods=["DELETE"]),
            Route("/_control/faults", add_fault, methods=["POST"]),
        ],
    )
    app.state.inbox = Inbox()
    return app
