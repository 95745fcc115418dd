"""One local cloud for the whole run, one gateway a worker, one project id a test."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, settings

from emulators import topology
from emulators.addresses import Ports
from emulators.installation import LOCAL
from emulators.local_cloud import LocalCloud
from manifest.discover import discover
from tests.support.people import Person, SigningKeys
from tests.support.server import AnswerThread, GatewayThread

if TYPE_CHECKING:
    from collections.abc import Iterator

# Time is never asserted here: a busy machine must not fail a property.
settings.register_profile("marquee", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("marquee")
pytest_plugins = ["tests.support.index_plugin"]
CLOUD = pytest.StashKey[LocalCloud]()
# Attach to the local cloud that the environment names, such as that of `make run`, instead of starting one.
ATTACH = "MARQUEE_TEST_ATTACH"


def pytest_configure(config: pytest.Config) -> None:
    """Start the cloud once, before the workers, which inherit its addresses."""
    if hasattr(config, "workerinput") or config.option.collectonly or os.environ.get(ATTACH):
        return
    cloud = LocalCloud(Ports.free(), state=LOCAL / "tests")
    cloud.start()
    config.stash[CLOUD] = cloud
    os.environ.update(cloud.environment())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if CLOUD in config.stash:
        config.stash[CLOUD].stop()


class SignIn(Protocol):
    """Signs a new person in: `sign_in("asha", phone="+9198…", email=…, admin=True)`."""

    def __call__(self, name: str = "someone", **claims: object) -> Person: ...


@pytest.fixture(scope="session")
def signing_keys() -> SigningKeys:
    return SigningKeys()


@pytest.fixture(scope="session")
def keys_server(signing_keys: SigningKeys) -> Iterator[AnswerThread]:
    """The keys that sign people in, and those of the local cloud's own service account."""
    local = httpx.get(os.environ["LOCAL_SERVICES_URL"] + "/oauth2/v3/certs", trust_env=False).json()
    body = json.dumps({"keys": signing_keys.jwks()["keys"] + local["keys"]}).encode()
    server = AnswerThread(lambda _: (200, body, {"Cache-Control": "public, max-age=3600"}))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def gateway() -> Iterator[GatewayThread]:
    thread = GatewayThread()
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture(scope="session")
def auth_emulator() -> str:
    """Where the Auth emulator listens, for tests that want its unsigned tokens accepted."""
    return os.environ["FIREBASE_AUTH_EMULATOR_HOST"]


@pytest.fixture
def project(
    gateway: GatewayThread, keys_server: AnswerThread, auth_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A project id of this test's own: its data, queues, topics and provider accounts are nobody else's."""
    from common import clients
    from common.config import config

    own = uuid4().hex[:12]
    variables = {
        "GOOGLE_CLOUD_PROJECT": f"demo-{own}",
        "GATEWAY_URL": gateway.url,
        "PUBLIC_BASE_URL": gateway.url,
        "TRIGGER_URL_TEMPLATE": gateway.url + "/triggers/{name}",
        "FIREBASE_KEYS_URL": keys_server.url,
        "OIDC_KEYS_URL": keys_server.url,
        "STRIPE_SECRET_KEY": f"sk_test_{own}",
        "RAZORPAY_KEY_ID": f"rzp_test_{own}",
        "PAYSTACK_SECRET_KEY": f"sk_test_{own}",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FIREBASE_AUTH_EMULATOR_HOST", raising=False)
    config.cache_clear()
    yield f"demo-{own}"
    gateway.wait_idle()
    gateway.run(clients.close())
    config.cache_clear()


@pytest.fixture
def deployed(project: str) -> Iterator[str]:
    """The project with its topics, queues and triggers at work: what a request sets off happens by itself."""
    asyncio.run(topology.deploy(project, os.environ, discover()))
    yield project
    asyncio.run(topology.remove(project, os.environ))


@pytest.fixture
def anonymous(gateway: GatewayThread, project: str) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def sign_in(project: str, anonymous: httpx.Client, signing_keys: SigningKeys) -> SignIn:
    def new_person(name: str = "someone", **claims: object) -> Person:
        phone = claims.pop("phone", None)
        if phone:
            claims["phone_number"] = phone
        user_id = f"{name}-{uuid4().hex[:8]}"
        return Person(user_id, signing_keys.token(project, user_id, **claims), anonymous, str(phone) if phone else None)

    return new_person


@pytest.fixture
def host(sign_in: SignIn) -> Person:
    """An organizer."""
    return sign_in("host", phone="+919900000001", email="host@example.com")


@pytest.fixture
def buyer(sign_in: SignIn) -> Person:
    """A buyer."""
    return sign_in("buyer", phone="+919800000001", email="buyer@example.com")
