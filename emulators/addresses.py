"""Where every part of the local cloud listens, and the environment through which programs find it."""

from __future__ import annotations

import base64
import dataclasses
import os
import random
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emulators.processes import HOST, StartFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROJECT: Final = "demo-marquee"
LOCATION: Final = "asia-south1"
INVOKER: Final = "invoker@demo-marquee.iam.gserviceaccount.com"
# Below the range from which the kernel takes ports for outgoing connections: a chosen port stays free.
FREE_PORTS: Final = range(15_000, 32_000)
OWNERS: Final = {
    "gateway": "the gateway",
    "firestore": "the Firestore emulator",
    "pubsub": "the Pub/Sub emulator",
    "auth": "the Auth emulator",
    "storage": "the Storage emulator",
    "tasks": "the Cloud Tasks emulator",
    "stripe": "the fake Stripe",
    "razorpay": "the fake Razorpay",
    "paystack": "the fake Paystack",
    "inbox": "the message inbox",
    "services": "the local services (identity, Eventarc, Scheduler, Pub/Sub push)",
}


@dataclass(frozen=True)
class Ports:
    """One port each; the variable that changes it is MARQUEE_<NAME>_PORT."""

    gateway: int = 8000
    firestore: int = 8080
    pubsub: int = 8085
    auth: int = 9099
    storage: int = 4443
    tasks: int = 8123
    stripe: int = 8201
    razorpay: int = 8202
    inbox: int = 8203
    services: int = 8204
    paystack: int = 8205

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Ports:
        """The defaults, changed by MARQUEE_<NAME>_PORT."""
        chosen = {}
        for field in dataclasses.fields(cls):
            text = environment.get(variable(field.name))
            if text is None:
                continue
            if not text.isdigit() or not 0 < int(text) < 65_536:
                raise StartFailed(f"{variable(field.name)} must be a port number, not {text!r}")
            chosen[field.name] = int(text)
        return cls(**chosen)

    @classmethod
    def free(cls) -> Ports:
        """Ports that nothing uses now, for tests and for a second cloud beside the first."""
        names = [field.name for field in dataclasses.fields(cls)]
        numbers = random.sample(FREE_PORTS, len(FREE_PORTS))
        available = (number for number in numbers if is_free(number))
        return cls(**{name: next(available) for name in names})

    def check(self) -> None:
        """StartFailed names every port that is taken, who needs it, and how to choose another."""
        ports = dataclasses.asdict(self)
        taken = [
            f"port {port}, needed by {OWNERS[name]}, is taken: free it or set {variable(name)}"
            for name, port in ports.items()
            if not is_free(port)
        ]
        twice = {port for port in ports.values() if list(ports.values()).count(port) > 1}
        taken += [f"port {port} is given to two parts" for port in sorted(twice)]
        if taken:
            raise StartFailed("; ".join(taken))


def variable(name: str) -> str:
    """The environment variable that changes the port of this part."""
    return f"MARQUEE_{name.upper()}_PORT"


def is_free(port: int) -> bool:
    """Whether a server could listen there now; connections that linger after a stop do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def environment(ports: Ports, project: str, state: Path) -> dict[str, str]:
    """Every variable that the functions, the tests and an outside client need. The secrets are obviously fake."""
    services, inbox, gateway = url(ports.services), url(ports.inbox), url(ports.gateway)
    keys = f"{services}/oauth2/v3/certs"
    return {
        "GATEWAY_URL": gateway,
        "PUBLIC_BASE_URL": gateway,
        "GOOGLE_CLOUD_PROJECT": project,
        "LOCATION": LOCATION,
        "FIRESTORE_EMULATOR_HOST": f"{HOST}:{ports.firestore}",
        "PUBSUB_EMULATOR_HOST": f"{HOST}:{ports.pubsub}",
        "FIREBASE_AUTH_EMULATOR_HOST": f"{HOST}:{ports.auth}",
        "STORAGE_EMULATOR_HOST": url(ports.storage),
        "CLOUD_TASKS_EMULATOR_HOST": f"{HOST}:{ports.tasks}",
        "LOCAL_SERVICES_URL": services,
        "OIDC_KEYS_URL": keys,
        "FIREBASE_KEYS_URL": keys,
        "INVOKER_SERVICE_ACCOUNT": INVOKER,
        "TRIGGER_URL_TEMPLATE": gateway + "/triggers/{name}",
        "TRACE_ENDPOINT": services + "/v1/traces",
        "STRIPE_API_BASE": url(ports.stripe),
        "STRIPE_SECRET_KEY": "sk_test_marquee",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_marquee",
        "STRIPE_WEBHOOK_SECRET": "whsec_marquee_local",
        "STRIPE_PAY_URL": url(ports.stripe) + "/",
        "RAZORPAY_API_BASE": url(ports.razorpay),
        "RAZORPAY_KEY_ID": "rzp_test_marquee",
        "RAZORPAY_KEY_SECRET": "razorpay_secret_marquee",
        "RAZORPAY_WEBHOOK_SECRET": "razorpay_webhook_marquee",
        "RAZORPAY_PAY_URL": url(ports.razorpay) + "/",
        "PAYSTACK_API_BASE": url(ports.paystack),
        "PAYSTACK_SECRET_KEY": "sk_test_paystack_marquee",
        "PAYSTACK_PAY_URL": url(ports.paystack) + "/",
        "INBOX_URL": inbox,
        "FCM_API_BASE": inbox,
        "SENDGRID_API_BASE": inbox,
        "SENDGRID_API_KEY": "SG.marquee.local",
        "MAIL_FROM": "tickets@marquee.example",
        "TWILIO_API_BASE": inbox,
        "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
        "TWILIO_AUTH_TOKEN": "twilio_token_marquee",
        "SMS_FROM": "+15005550006",
        "TICKET_SIGNING_KEY": _ticket_signing_key(state),
    }


def url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _ticket_signing_key(state: Path) -> str:
    """Made once and kept: a ticket printed yesterday must still scan today."""
    path = state / "ticket_signing_key"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text().strip()
