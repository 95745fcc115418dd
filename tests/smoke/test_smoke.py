"""The smoke test passes a deployment that works, fails one in which any one thing is broken, and says which."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common import clients, http
from common.config import config
from common.payments.stripe_gateway import StripeGateway
from common.tickets import rules
from common.tokens import Caller
from emulators.addresses import PROJECT
from infra.smoke import __main__ as command
from infra.smoke import asking
from infra.smoke.asking import Api, Wrong
from infra.smoke.public import checks
from infra.smoke.sign_in import SignIn
from tests.emulators.served import served
from tests.operations.jobs import Jobs
from tests.operations.test_audit_invariants import alerts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from tests.support.people import SigningKeys
    from tests.support.server import GatewayThread

PHONE, CODE, KEY = "+919800099999", "135790", "AIza-smoke"


@pytest.fixture
def identity(
    project: str, signing_keys: SigningKeys, auth_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SignIn]:
    """Identity Platform with one test number, signing for the test's project. The Auth emulator signs people out."""
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", auth_emulator)
    config.cache_clear()

    async def send(request: Request) -> Response:
        asked = await request.json()
        known = asked == {"phoneNumber": PHONE} and request.headers["x-goog-api-key"] == KEY
        return JSONResponse({"sessionInfo": "s"}) if known else JSONResponse({"error": {"message": "NO"}}, 400)

    async def sign_in(request: Request) -> Response:
        if await request.json() != {"sessionInfo": "s", "code": CODE}:
            return JSONResponse({"error": {"code": 400, "message": "INVALID_CODE"}}, 400)
        return JSONResponse({"idToken": signing_keys.token(project, "smoke", phone_number=PHONE)})

    accounts = {"sendVerificationCode": send, "signInWithPhoneNumber": sign_in}
    routes = [Route(f"/v1/accounts:{name}", each, methods=["POST"]) for name, each in accounts.items()]
    with served(Starlette(routes=routes)) as url:
        yield SignIn(PHONE, CODE, KEY, url)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SECOND_LOOK_AFTER_S", 0.0)
    monkeypatch.setattr(asking, "AGAIN_AFTER_S", 0.0)


@pytest.fixture
def jobs(anonymous: httpx.Client, signing_keys: SigningKeys) -> Jobs:
    return Jobs(anonymous, signing_keys)


Smoke = Callable[..., tuple[bool, str]]


@pytest.fixture
def smoke(gateway: GatewayThread, project: str, capfd: pytest.CaptureFixture[str]) -> Smoke:
    def run(sign_in: SignIn | str = "no SMOKE_PHONE") -> tuple[bool, str]:
        capfd.readouterr()
        well = command.smoke(gateway.url, sign_in)
        # The functions log to the same stream.
        return well, "\n".join(line for line in capfd.readouterr().out.splitlines() if not line.startswith("{"))

    return run


def events(gateway: GatewayThread) -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        return [each.to_dict() or {} async for each in clients.firestore().collection("events").stream()]

    return gateway.run(read())


def test_a_deployment_that_works(
    smoke: Smoke, identity: SignIn, deployed: str, gateway: GatewayThread, jobs: Jobs, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        well, told = smoke(identity)
        assert well, told
        assert "FAILED" not in told
        assert "a night out, from sign-in to the door                ok" in told
    # Two runs, two events of one organization; nobody else sees any of them, and nothing is on sale.
    made = events(gateway)
    assert len(made) == 2
    assert {each["status"] for each in made} == {"cancelled"}
    assert {each["visibility"] for each in made} == {"private"}
    assert len({each["orgId"] for each in made}) == 1
    assert alerts(jobs, capfd) == []


def test_without_a_sign_in_the_journey_is_skipped_and_said_to_be(smoke: Smoke) -> None:
    well, told = smoke()
    assert well, told
    assert "skipped: no SMOKE_PHONE" in told


def _trigger_for_all(patch: pytest.MonkeyPatch) -> str:
    async def serve(*_: object) -> Response:
        return Response(status_code=204)

    patch.setattr("common.trigger._serve", serve)
    return "no private function answers: POST {url}/triggers/announce_event"


def _endpoint_for_all(patch: pytest.MonkeyPatch) -> str:
    async def anybody(_: object) -> Caller:
        return Caller("anybody")

    patch.setattr("common.http.sign_in", anybody)
    return "every endpoint, asked by a stranger: GET {url}/v1/orders"


def _header_missing(patch: pytest.MonkeyPatch) -> str:
    rest = {name: value for name, value in http.SECURITY_HEADERS.items() if name != "X-Content-Type-Options"}
    patch.setattr(http, "SECURITY_HEADERS", rest)
    return "expected  x-content-type-options: nosniff"


def _webhook_unsigned(patch: pytest.MonkeyPatch) -> str:
    patch.setattr(StripeGateway, "verify", lambda *_: None)
    return "every endpoint, asked by a stranger: POST {url}/v1/webhooks/stripe"


def _origins_open(patch: pytest.MonkeyPatch) -> str:
    patch.setenv("ALLOWED_ORIGINS", "https://stranger.invalid")
    config.cache_clear()
    return "no Access-Control-Allow-Origin for a stranger"


def _nothing_cached(patch: pytest.MonkeyPatch) -> str:
    patch.setattr("common.endpoint.with_caching", lambda response, *_, **__: response)
    return "expected  Cache-Control: public, s-maxage"


def _no_ticket_key(patch: pytest.MonkeyPatch) -> str:
    patch.setattr("common.tickets.qr.public_keys", lambda: ())
    return "expected  at least one of keys"


def _request_id_lost(patch: pytest.MonkeyPatch) -> str:
    patch.setattr(http, "_accepted_request_id", lambda _: "always-the-same")
    return "got       always-the-same"


def _function_not_deployed(patch: pytest.MonkeyPatch) -> str:
    declared = {"route": {"method": "PUT", "path": "/v1/brand-new/{thingId}"}, "access": "signed_in"}
    patch.setattr(command, "checks", lambda functions, *rest: checks(functions | {"brand_new": declared}, *rest))
    return "every endpoint, asked by a stranger: PUT {url}/v1/brand-new/smoke-nobodys"


@pytest.mark.parametrize(
    "broken",
    [
        _trigger_for_all,
        _endpoint_for_all,
        _header_missing,
        _webhook_unsigned,
        _origins_open,
        _nothing_cached,
        _no_ticket_key,
        _request_id_lost,
        _function_not_deployed,
    ],
)
def test_control_what_is_broken_is_named(
    smoke: Smoke, gateway: GatewayThread, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], str]
) -> None:
    with monkeypatch.context() as patch:
        expected = broken(patch).format(url=gateway.url)
        well, told = smoke()
    config.cache_clear()
    assert not well
    assert expected in told, told


def test_control_a_door_that_admits_twice_is_named_and_the_event_is_called_off_all_the_same(
    smoke: Smoke, identity: SignIn, deployed: str, gateway: GatewayThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_in = rules.check_in

    def forgetful(ticket: Any, *rest: Any) -> Any:
        return check_in(ticket and ticket.model_copy(update={"status": "valid"}), *rest)

    monkeypatch.setattr("common.tickets.store.rules.check_in", forgetful)
    well, told = smoke(identity)
    assert not well
    assert "expected  already_used\n  got       admitted\n  request   smoke-" in told
    assert [each["status"] for each in events(gateway)] == ["cancelled"]


def test_control_tasks_that_do_not_run_are_noticed(
    smoke: Smoke, identity: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trigger is deployed: all replies are right, and nothing happens behind them."""
    monkeypatch.setattr("infra.smoke.journey.SOON_S", 1.0)
    well, told = smoke(identity)
    assert not well
    assert "expected  status done within 1 s" in told


def test_a_wrong_code_is_said(smoke: Smoke, identity: SignIn) -> None:
    well, told = smoke(SignIn(PHONE, "000000", KEY, identity.identity))
    assert not well
    assert "INVALID_CODE" in told


def test_the_auth_emulator_shows_its_code(auth_emulator: str) -> None:
    named = {"SMOKE_PHONE": PHONE, "FIREBASE_AUTH_EMULATOR_HOST": auth_emulator, "GOOGLE_CLOUD_PROJECT": PROJECT}
    sign_in = SignIn.of(named)
    assert isinstance(sign_in, SignIn)
    claims = jwt.decode(sign_in.token(), options={"verify_signature": False})
    assert (claims["phone_number"], claims["aud"]) == (PHONE, PROJECT)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({}, "no SMOKE_PHONE"),
        ({"SMOKE_CODE": CODE, "SMOKE_API_KEY": KEY}, "no SMOKE_PHONE"),
        ({"SMOKE_PHONE": PHONE}, "no SMOKE_CODE and no SMOKE_API_KEY"),
        ({"SMOKE_PHONE": PHONE, "SMOKE_CODE": CODE}, "no SMOKE_API_KEY"),
        # What GitHub hands over for a variable that is not set.
        ({"SMOKE_PHONE": "", "SMOKE_CODE": "", "SMOKE_API_KEY": ""}, "no SMOKE_PHONE"),
    ],
)
def test_what_a_sign_in_lacks_is_said(named: dict[str, str], why: str) -> None:
    assert SignIn.of(named) == why


def test_an_address_where_nobody_is_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["http://127.0.0.1:9"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("nothing answers at http://127.0.0.1:9: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], [""], ["marquee.example"], ["https://a", "https://b"]])
def test_without_an_address_it_asks_for_one(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    assert "make smoke URL=https://DOMAIN" in capsys.readouterr().err


class Deployment:
    """Answers with these statuses, one a request, then 200; counts."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.asked = 0
        self.headers = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
        self.headers["Strict-Transport-Security"] = "max-age=1"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            raise httpx.ConnectTimeout("", request=request)
        headers = self.headers | {"X-Request-ID": request.headers["X-Request-ID"]}
        return httpx.Response(status, json={}, headers=headers)

    def api(self, within_s: float = 10) -> Api:
        client = httpx.Client(base_url="https://marquee.test", transport=httpx.MockTransport(self))
        return Api(client, "smoke-test", time.monotonic() + within_s)


@pytest.mark.parametrize("status", [0, 502, 503, 504])
def test_an_instance_that_starts_is_asked_once_more(status: int) -> None:
    deployment = Deployment(status)
    deployment.api().ask("GET", "/v1/genres")
    deployment.statuses.append(status)
    deployment.api().ask("POST", "/v1/orders", key="a-key")
    assert deployment.asked == 4


def test_a_deployment_that_stays_down_is_asked_twice_only() -> None:
    deployment = Deployment(503, 503, 503)
    with pytest.raises(Wrong, match="expected 200, got 503"):
        deployment.api().ask("GET", "/v1/genres")
    assert deployment.asked == 2


@pytest.mark.parametrize("status", [0, 503])
def test_what_may_have_been_done_is_not_asked_for_again(status: int) -> None:
    deployment = Deployment(status)
    with pytest.raises(Wrong):
        deployment.api().ask("POST", "/v1/events/evt_a/publish")
    assert deployment.asked == 1


def test_a_run_ends_in_time() -> None:
    deployment = Deployment()
    with pytest.raises(Wrong, match="no time left"):
        deployment.api(within_s=0).ask("GET", "/v1/genres")
    assert deployment.asked == 0


def test_over_tls_browsers_must_be_kept_to_it() -> None:
    deployment = Deployment()
    del deployment.headers["Strict-Transport-Security"]
    with pytest.raises(Wrong, match="Strict-Transport-Security"):
        deployment.api().ask("GET", "/v1/genres")
