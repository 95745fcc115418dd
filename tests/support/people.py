"""People who sign in with tokens of the tests' own key set, and what they ask of the API."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

ResultT = TypeVar("ResultT")

Json = dict[str, Any]


class SigningKeys:
    """The key pair behind FIREBASE_KEYS_URL in tests."""

    def __init__(self, key_id: str = "tests") -> None:
        self.key_id = key_id
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> Json:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"keys": [public | {"kid": self.key_id, "alg": "RS256", "use": "sig"}]}

    def invoker_token(self, audience: str) -> str:
        """An OIDC token as the platform's service account carries it to a private function."""
        now = int(time.time())
        email = os.environ["INVOKER_SERVICE_ACCOUNT"]
        claims = {"iss": "https://accounts.google.com", "aud": audience, "sub": "1", "email": email}
        return jwt.encode(
            claims | {"email_verified": True, "iat": now, "exp": now + 600},
            self.private,
            "RS256",
            headers={"kid": self.key_id},
        )

    def token(self, project: str, user_id: str, **claims: Any) -> str:
        """A Firebase ID token as Google would sign it; `claims` override or add."""
        now = int(time.time())
        standard = {
            "iss": f"https://securetoken.google.com/{project}",
            "aud": project,
            "sub": user_id,
            "auth_time": now,
            "iat": now,
            "exp": now + 3600,
        }
        return jwt.encode(standard | claims, self.private, "RS256", headers={"kid": self.key_id})


@dataclass(frozen=True)
class Person:
    """A signed-in caller of the API."""

    user_id: str
    token: str
    client: httpx.Client
    phone: str | None = None

    def call(self, method: str, path: str, json: object = None, key: str | None = None, **more: Any) -> httpx.Response:
        """A request with this person's token; `key` becomes the Idempotency-Key."""
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        return self.client.request(method, path, json=json, headers=headers | more.pop("headers", {}), **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, json: object = None, key: str | None = None, **more: Any) -> httpx.Response:
        return self.call("POST", path, json, key, **more)


def accepted(response: httpx.Response) -> Json:
    """The body of a reply that must be a success."""
    assert response.status_code < 300, f"{response.status_code}: {response.text}"
    body: Json = response.json() if response.content else {}
    return body


def refused(response: httpx.Response, status: int, code: str) -> Json:
    """The problem document of a reply that must be exactly this refusal."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem: Json = response.json()
    assert (response.status_code, problem["code"]) == (status, code), response.text
    assert problem["status"] == status
    assert problem["requestId"] == response.headers["x-request-id"]
    return problem


def tier_body(name: str = "General", price_minor: int = 50_000, capacity: int = 100, **more: Any) -> Json:
    """A tier of POST /v1/events."""
    return {"name": name, "price": {"amountMinor": price_minor, "currency": "INR"}, "capacity": capacity} | more


def event_body(org_id: str, *tiers: Json, **more: Any) -> Json:
    """A valid body of POST /v1/events: doors in two days, in Mumbai."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    body = {
        "orgId": org_id,
        "title": "Night at the Mill",
        "description": "Four rooms, two floors, one long night.",
        "startsAt": starts.isoformat(),
        "endsAt": (starts + timedelta(hours=6)).isoformat(),
        "timezone": "Asia/Kolkata",
        "venue": {
            "name": "Mill No. 5",
            "address": "Lower Parel",
            "city": "Mumbai",
            "latitude": 18.9953,
            "longitude": 72.8300,
        },
        "genres": ["techno"],
        "ageRestriction": 18,
        "tiers": list(tiers) or [tier_body()],
    }
    return body | more


def create_organization(owner: Person, **more: Any) -> str:
    """A new organization of this owner; its id."""
    body = {"name": "Mill Nights", "country": "IN", "currency": "INR"} | more
    return str(accepted(owner.post("/v1/organizations", body))["orgId"])


def publish_event(owner: Person, *tiers: Json, org_id: str | None = None, **more: Any) -> Json:
    """A published event of this owner, as the API replies it."""
    org_id = org_id or create_organization(owner)
    draft = accepted(owner.post("/v1/events", event_body(org_id, *tiers, **more)))
    return accepted(owner.post(f"/v1/events/{draft['eventId']}/publish"))


def order_body(event: Json, quantity: int = 1, tier: int = 0) -> Json:
    """A body of POST /v1/orders for one tier of this event."""
    return {"eventId": event["eventId"], "lines": [{"tierId": event["tiers"][tier]["tierId"], "quantity": quantity}]}


def eventually(look: Callable[[], ResultT | None], within_s: float = 15) -> ResultT:
    """What `look` returns as soon as it is true; what jobs do behind a request takes a moment."""
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.03)
