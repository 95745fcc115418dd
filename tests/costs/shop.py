"""A project with stand-ins for everything outside Firestore, and the states from which calls are measured."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import grpc
import httpx
from google.cloud import pubsub_v1, tasks_v2
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from common import clients
from common.config import config
from common.ids import derived_id
from common.listings import index as listing_index
from emulators import cdn, fake_paystack, fake_razorpay, fake_stripe, message_inbox
from emulators.identity import LocalIdentity
from tests.emulators.served import Receiver, control, served, wait_until
from tests.support.people import (
    Json,
    Person,
    accepted,
    create_organization,
    order_body,
    publish_event,
    tier_body,
)
from tests.support.server import AnswerThread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from tests.conftest import SignIn
    from tests.support.server import GatewayThread

INVOKER: Final = "invoker@demo.iam.gserviceaccount.com"
HOOK_SECRET: Final = "hook-secret"
KEPT_HEADERS: Final[tuple[str, ...]] = (
    "content-type",
    "stripe-signature",
    "x-razorpay-signature",
    "x-razorpay-event-id",
    "x-paystack-signature",
)
PAID: Final = {"stripe": "payment_intent.succeeded", "razorpay": "payment.captured", "paystack": "charge.success"}


class AcceptingTasks:
    """A Cloud Tasks that takes every task and dispatches none: nothing runs beside what is measured."""

    def __init__(self) -> None:
        create = grpc.unary_unary_rpc_method_handler(
            lambda request, _: request.task,
            request_deserializer=tasks_v2.CreateTaskRequest.deserialize,
            response_serializer=tasks_v2.Task.serialize,
        )
        service = "google.cloud.tasks.v2.CloudTasks"
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"CreateTask": create}),),
        )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()


async def _account_updated(_: Request) -> JSONResponse:
    return JSONResponse({"localId": "anybody"})


class StandIns:
    """What the functions call outside Google's emulators, on real sockets."""

    def __init__(self) -> None:
        self.identity = LocalIdentity()
        self._stack = ExitStack()
        keys = AnswerThread(lambda _: (200, json.dumps(self.identity.jwks()).encode(), {}))
        self._stack.callback(keys.stop)
        tasks = AcceptingTasks()
        self._stack.callback(tasks.stop)
        accounts = Starlette(routes=[Route("/{path:path}", _account_updated, methods=["POST"])])
        self.stripe = self._stack.enter_context(served(fake_stripe.create_app()))
        self.razorpay = self._stack.enter_context(served(fake_razorpay.create_app()))
        self.paystack = self._stack.enter_context(served(fake_paystack.create_app()))
        inbox = self._stack.enter_context(served(message_inbox.create_app()))
        auth = self._stack.enter_context(served(accounts))
        self.environment = {
            "OIDC_KEYS_URL": keys.url,
            "INVOKER_SERVICE_ACCOUNT": INVOKER,
            "FIREBASE_AUTH_EMULATOR_HOST": auth.removeprefix("http://"),
            "CLOUD_TASKS_EMULATOR_HOST": tasks.address,
            "STRIPE_API_BASE": self.stripe,
            "STRIPE_PUBLISHABLE_KEY": "pk_test_costs",
            "STRIPE_WEBHOOK_SECRET": HOOK_SECRET,
            "RAZORPAY_API_BASE": self.razorpay,
            "RAZORPAY_KEY_SECRET": "secret",
            "RAZORPAY_WEBHOOK_SECRET": HOOK_SECRET,
            "PAYSTACK_API_BASE": self.paystack,
            "COMPUTE_API_BASE": self._stack.enter_context(served(cdn.create_app(cdn.Cdn("")))),
            "CDN_URL_MAP": "marquee",
            "FCM_API_BASE": inbox,
            "SENDGRID_API_BASE": inbox,
            "SENDGRID_API_KEY": "SG.costs",
            "MAIL_FROM": "tickets@marquee.example",
            "TWILIO_API_BASE": inbox,
            "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
            "TWILIO_AUTH_TOKEN": "token",
            "SMS_FROM": "+15005550006",
            "TICKET_SIGNING_KEY": base64.b64encode(bytes(range(32))).decode(),
        }

    def close(self) -> None:
        self._stack.close()


@dataclass(frozen=True)
class Webhook:
    """A provider's signed call, caught before it reached the gateway."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    id: str


class Shop:
    """One project: people, events and orders in the states that a scenario asks for."""

    def __init__(
        self, gateway: GatewayThread, stand_ins: StandIns, receiver: Receiver, sign_in: SignIn, http: httpx.Client
    ) -> None:
        self.gateway, self.http, self.sign_in = gateway, http, sign_in
        self._stand_ins, self._receiver = stand_ins, receiver
        self._providers = {"stripe": stand_ins.stripe, "razorpay": stand_ins.razorpay, "paystack": stand_ins.paystack}
        paystack = config().paystack_secret_key
        accounts = {
            "stripe": (config().stripe_secret_key, HOOK_SECRET),
            "razorpay": (config().razorpay_key_id, HOOK_SECRET),
            "paystack": (paystack, paystack),
        }
        for name, (key, secret) in accounts.items():
            control(self._providers[name], "PUT", "webhook", key=key, url=receiver.url, secret=secret)

    @cached_property
    def host(self) -> Person:
        return self.person("host")

    @cached_property
    def buyer(self) -> Person:
        return self.person("buyer")

    @cached_property
    def admin(self) -> Person:
        return self.sign_in("admin", admin=True)

    def person(self, name: str) -> Person:
        """Somebody new with a profile and one device."""
        person = self.sign_in(name, email=f"{name}@example.com")
        device = {"id": f"device-{uuid4().hex}", "platform": "android", "appVersion": "1.0"}
        accepted(person.post("/v1/session", {"deviceInfo": device}))
        return person

    def event(self, org_id: str | None = None, **more: Any) -> Json:
        """A published event of one tier of 100; its doors are open already."""
        starts = datetime.now(UTC) + timedelta(hours=1)
        times = {"startsAt": starts.isoformat(), "endsAt": (starts + timedelta(hours=6)).isoformat()}
        return publish_event(self.host, tier_body(**more), org_id=org_id, **times)

    def listed_event(self) -> Json:
        """A published event of a tour, with one artist, that lists know already."""
        org_id = create_organization(self.host)
        tour = {"orgId": org_id, "title": "Monsoon Tour", "description": "Five cities in ten days."}
        tour_id = accepted(self.host.post("/v1/tours", tour))["tourId"]
        event = publish_event(self.host, org_id=org_id, tourId=tour_id, lineup=[{"artist": "Night Ferry"}])
        accepted(self.trigger("refresh_listing", {"eventId": event["eventId"]}))
        self.gateway.run(look_again())
        return event | {"artistId": event["artistIds"][0]}

    def venue(self) -> str:
        """The path under which the venue of a listed event is followed."""
        return f"/v1/follows/venue/{self.listed_event()['venueId']}"

    def attended(self) -> str:
        """The path of the buyer's review of an event that has begun and let the buyer in."""
        event = self.listed_event()
        began = {"startsAt": datetime.now(UTC) - timedelta(hours=1)}
        self.gateway.run(clients.firestore().document(f"events/{event['eventId']}").update(began))
        ticket = clients.firestore().document(f"tickets/{self.ticket(event)['ticketId']}")
        self.gateway.run(ticket.update({"status": "used"}))
        return f"/v1/events/{event['eventId']}/review"

    def nigerian_event(self) -> Json:
        """One that is paid in naira."""
        org_id = create_organization(self.host, country="NG", currency="NGN")
        return self.event(org_id, price={"amountMinor": 500_000, "currency": "NGN"})

    def order(self, event: Json, buyer: Person | None = None, quantity: int = 1) -> Json:
        """A held order."""
        return accepted((buyer or self.buyer).post("/v1/orders", order_body(event, quantity)))

    def guest(self, event: Json) -> tuple[str, str]:
        """The path of the event's guest list, and the id that the buyer has on it."""
        path = f"/v1/events/{event['eventId']}/guests"
        [guest] = accepted(self.host.post(path, {"guests": [{"userId": self.buyer.user_id}]}))["guests"]
        return path, guest["guestId"]

    def promo_code(self, event: Json) -> str:
        """The path of the promo codes of this event, which has the code NIGHT for a hundred uses."""
        path = f"/v1/events/{event['eventId']}/promo-codes"
        terms = {"kind": "percent", "basisPoints": 1_000, "maxUses": 100}
        accepted(self.host.call("PUT", f"{path}/NIGHT", terms))
        return path

    def expired_order(self, event: Json) -> Json:
        """An order whose hold has run out and was not released."""
        order = self.order(event)
        document = clients.firestore().document(f"orders/{order['orderId']}")
        self.gateway.run(document.update({"holdExpiresAt": datetime.now(UTC) - timedelta(seconds=1)}))
        return order

    def paid(self, order: Json, provider: str = "stripe") -> Webhook:
        """Pay an order at the provider; its webhook, which has not reached us."""
        checkout = accepted(self.buyer.post(f"/v1/orders/{order['orderId']}/checkout", {"gateway": provider}))
        reference = checkout["gatewayReference"]
        accept = {"Accept": "application/json"}
        address = f"{self._providers[provider]}/pay/{reference}/pay"
        accepted(httpx.post(address, headers=accept, trust_env=False))
        wait_until(lambda: self._caught(provider, reference))
        [webhook] = self._caught(provider, reference)
        return webhook

    def _caught(self, provider: str, reference: str) -> list[Webhook]:
        found = []
        for delivery in list(self._receiver.deliveries):
            event = json.loads(delivery.body)
            if (event.get("type") or event.get("event")) == PAID[provider] and reference.encode() in delivery.body:
                headers = {key: delivery.headers[key] for key in KEPT_HEADERS if key in delivery.headers}
                named = _event_id(provider, event, headers)
                webhook_id = derived_id("whk", provider, named)
                found.append(Webhook(f"/v1/webhooks/{provider}", headers, delivery.body, webhook_id))
        return found

    def deliver(self, webhook: Webhook) -> httpx.Response:
        """Let a caught webhook reach the gateway."""
        return self.http.post(webhook.path, content=webhook.body, headers=dict(webhook.headers))

    def ticketed(self, event: Json) -> Json:
        """A paid and ticketed order."""
        order = self.order(event)
        webhook = self.paid(order)
        accepted(self.deliver(webhook))
        accepted(self.trigger("settle_payment", {"webhookId": webhook.id}))
        return accepted(self.buyer.get(f"/v1/orders/{order['orderId']}"))

    def refund(self, event: Json, **fields: Any) -> Json:
        """A refund of a ticketed order that waits for its task; `fields` are what happened to it since."""
        path = f"/v1/orders/{self.ticketed(event)['orderId']}/refunds"
        refund = accepted(self.host.post(path, {"reason": "The headliner is ill"}))
        if fields:
            self.gateway.run(clients.firestore().document(f"refunds/{refund['refundId']}").update(fields))
        return refund

    def ticket(self, event: Json) -> Json:
        """A valid ticket of the buyer's, with its code."""
        [ticket_id] = self.ticketed(event)["ticketIds"]
        return accepted(self.buyer.get(f"/v1/tickets/{ticket_id}"))

    def long_over(self, event: Json) -> Json:
        """Let a paid event have ended so long ago that it is settled by the next run."""
        self.ticketed(event)
        document = clients.firestore().document(f"events/{event['eventId']}")
        self.gateway.run(document.update({"endsAt": datetime.now(UTC) - timedelta(days=4)}))
        return event

    def close_settlements(self) -> None:
        """Let no settled event be looked at again."""

        async def close() -> None:
            for found in await clients.firestore().collection("settlements").get():
                await found.reference.update({"open": False})

        self.gateway.run(close())

    def payout(self) -> Json:
        """The payout of an event that is over."""
        event = self.long_over(self.event())
        accepted(self.trigger("create_payouts", {}))
        [payout] = accepted(self.host.get(f"/v1/organizations/{event['orgId']}/payouts"))["items"]
        return dict(payout)

    def outbox(self) -> list[str]:
        """The paths of what waits to be handed over."""

        async def paths() -> list[str]:
            return [found.reference.path for found in await clients.firestore().collection("outbox").get()]

        return self.gateway.run(paths())

    def clear_outbox(self) -> None:
        """Forget what the preparations set off."""

        async def clear() -> None:
            for found in await clients.firestore().collection("outbox").get():
                await found.reference.delete()

        self.gateway.run(clear())

    def create_topic(self, name: str) -> None:
        """Pub/Sub publishes to topics that exist only."""
        publisher = pubsub_v1.PublisherClient()
        publisher.create_topic(name=publisher.topic_path(config().project, name))
        publisher.stop()

    def trigger(self, name: str, payload: Json, **headers: str) -> httpx.Response:
        """Call a private function as its source does."""
        token = self._stand_ins.identity.token(config().trigger_url(name), INVOKER)
        return self.http.post(f"/triggers/{name}", json=payload, headers={"Authorization": f"Bearer {token}"} | headers)


async def look_again() -> None:
    """Let the next call look for changes of the listings, as if two seconds had gone by."""
    (await listing_index.current()).looked_at = float("-inf")


def _event_id(provider: str, event: Json, headers: Mapping[str, str]) -> str:
    if provider == "paystack":
        return f"{event['event']}:{event['data']['id']}"
    return str(event.get("id") or headers["x-razorpay-event-id"])


def provider_keys() -> dict[str, str]:
    """Accounts of a project's own at the fake providers."""
    account = uuid4().hex[:14]
    return {
        "STRIPE_SECRET_KEY": f"sk_test_{account}",
        "RAZORPAY_KEY_ID": f"rzp_test_{account}",
        "PAYSTACK_SECRET_KEY": f"sk_test_{account}",
    }


def pushed(type_: str, event: Json) -> Json:
    """A domain event as a push subscription delivers it."""
    data = base64.b64encode(json.dumps(event).encode()).decode()
    return {"message": {"data": data, "attributes": {"type": type_}, "messageId": "1"}, "subscription": "s"}
