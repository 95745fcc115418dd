"""Only tokens that Firebase, or the platform's own service account, really signed are believed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common import tokens
from common.config import config
from common.errors import TemporarilyUnavailable, TokenExpired, Unauthenticated
from common.tokens import Caller, KeySet, verify_firebase, verify_invoker
from tests.kernel.conftest import INVOKER, PROJECT
from tests.support.people import SigningKeys
from tests.support.server import AnswerThread

if TYPE_CHECKING:
    from collections.abc import Iterator

ISSUER = f"https://securetoken.google.com/{PROJECT}"
AUDIENCE = "https://functions.test/triggers/settle_payment"
USER = "asha"


def verify(token: str) -> Caller:
    return asyncio.run(verify_firebase(token))


def unsigned(claims: dict[str, Any], signature: str = "", **header: Any) -> str:
    parts = ({"alg": "none", "typ": "JWT"} | header, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + (
        f".{signature}"
    )


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    standard = {"iss": ISSUER, "aud": PROJECT, "sub": USER, "auth_time": now, "iat": now, "exp": now + 3600}
    return {name: value for name, value in (standard | more).items() if value is not None}


def signed(keys: SigningKeys, **more: Any) -> str:
    return jwt.encode(claims(**more), keys.private, "RS256", headers={"kid": keys.key_id})


def test_a_good_token_names_its_caller(signing_keys: SigningKeys) -> None:
    token = signing_keys.token(PROJECT, USER, phone_number="+919811111111", email="a@example.com", name="Asha")
    assert verify(token) == Caller(USER, "+919811111111", "a@example.com", "Asha", is_admin=False)


def named_by_claim(wrong: dict[str, Any]) -> str:
    """A name without the time: all workers of a run must collect the same names."""
    return ",".join(wrong)


@pytest.mark.parametrize(("claim", "is_admin"), [(True, True), (False, False), ("true", False), (1, False)])
def test_only_a_true_admin_claim_makes_an_admin(signing_keys: SigningKeys, claim: object, is_admin: bool) -> None:
    assert verify(signed(signing_keys, admin=claim)).is_admin is is_admin


def test_a_token_forged_under_a_known_key_id_is_refused(signing_keys: SigningKeys) -> None:
    with pytest.raises(Unauthenticated):
        verify(SigningKeys(signing_keys.key_id).token(PROJECT, USER))


def test_a_token_with_changed_claims_is_refused(signing_keys: SigningKeys) -> None:
    header, _, signature = signed(signing_keys).split(".")
    other = unsigned(claims(sub="ravi")).split(".")[1]
    with pytest.raises(Unauthenticated):
        verify(f"{header}.{other}.{signature}")


def test_an_expired_token_says_so(signing_keys: SigningKeys) -> None:
    now = int(time.time())
    with pytest.raises(TokenExpired):
        verify(signed(signing_keys, exp=now - 10, iat=now - 3610))
    assert verify(signed(signing_keys, exp=now - 2, iat=now - 3602)).user_id == USER, "clocks differ by seconds"


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-project"},
        {"aud": None},
        {"iss": "https://securetoken.google.com/another-project"},
        {"iss": "https://accounts.google.com"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a" * 129},
        {"sub": "asha/../ravi"},
        {"exp": None},
        {"exp": "soon"},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"auth_time": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
    ],
    ids=named_by_claim,
)
def test_a_wrong_or_missing_claim_is_refused(signing_keys: SigningKeys, wrong: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        verify(signed(signing_keys, **wrong))
    assert not isinstance(refusal.value, TokenExpired)


def test_an_unsigned_token_is_refused(signing_keys: SigningKeys) -> None:
    signature = signed(signing_keys).rsplit(".", 1)[1]
    for token in (unsigned(claims()), unsigned(claims(), kid=signing_keys.key_id), unsigned(claims(), signature)):
        with pytest.raises(Unauthenticated):
            verify(token)


def test_the_public_key_is_no_shared_secret(signing_keys: SigningKeys) -> None:
    """HS256 keyed with what everybody can download: the old confusion of key types."""
    public = signing_keys.private.public_key()
    body = unsigned(claims(), alg="HS256", kid=signing_keys.key_id).rpartition(".")[0]
    for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
        secret = public.public_bytes(Encoding.PEM, form)
        mac = hmac.new(secret, body.encode(), hashlib.sha256).digest()
        with pytest.raises(Unauthenticated):
            verify(f"{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "....", "é.b.c", "e30.e30.", "bnVsbA.e30.", "W10.W10.a"])
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(token)


@pytest.mark.parametrize("key_id", [None, 7, "unknown"])
def test_a_token_without_a_known_key_id_is_refused(signing_keys: SigningKeys, key_id: object) -> None:
    header: dict[str, Any] = {} if key_id is None else {"kid": key_id}
    body = unsigned(claims(), alg="RS256", **header).rpartition(".")[0]
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(
        body.encode(), signing_keys.private
    )
    with pytest.raises(Unauthenticated):
        verify(f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


class TestBesideTheAuthEmulator:
    """Its tokens are unsigned; what they claim is checked all the same."""

    @pytest.fixture(autouse=True)
    def _emulator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099")
        config.cache_clear()

    def test_an_unsigned_token_is_accepted(self) -> None:
        assert verify(unsigned(claims(phone_number="+919811111111"))) == Caller(USER, "+919811111111")

    @pytest.mark.parametrize(
        "wrong",
        [{"aud": "another"}, {"iss": "https://evil.example"}, {"sub": ""}, {"sub": None}, {"exp": None}],
        ids=str,
    )
    def test_its_claims_are_checked(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(Unauthenticated):
            verify(unsigned(claims(**wrong)))

    def test_an_expired_one_is_refused(self) -> None:
        with pytest.raises(TokenExpired):
            verify(unsigned(claims(exp=int(time.time()) - 10)))

    def test_a_signed_token_must_still_be_signed_by_a_known_key(self, signing_keys: SigningKeys) -> None:
        assert verify(signed(signing_keys)).user_id == USER
        with pytest.raises(Unauthenticated):
            verify(signed(SigningKeys(signing_keys.key_id)))


@dataclass
class KeysEndpoint:
    """A keys address that a test changes while it runs, and that counts its visits."""

    keys: list[SigningKeys]
    cache_control: str = "public, max-age=3600"
    status: int = 200
    body: bytes | None = None
    visits: int = 0
    clock: float = 1_000.0
    server: AnswerThread = field(init=False)

    def __post_init__(self) -> None:
        self.server = AnswerThread(self.answer)

    def answer(self, _: str) -> tuple[int, bytes, dict[str, str]]:
        self.visits += 1
        published = {"keys": [entry for keys in self.keys for entry in keys.jwks()["keys"]]}
        headers = {"Cache-Control": self.cache_control} if self.cache_control else {}
        return self.status, self.body if self.body is not None else json.dumps(published).encode(), headers

    def monotonic(self) -> float:
        return self.clock

    def time(self) -> float:
        return time.time()


@pytest.fixture(scope="module")
def first_keys() -> SigningKeys:
    return SigningKeys("first")


@pytest.fixture(scope="module")
def next_keys() -> SigningKeys:
    return SigningKeys("next")


@pytest.fixture
def endpoint(first_keys: SigningKeys, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeysEndpoint]:
    """The keys address, and a clock for its readers that only the test moves."""
    answering = KeysEndpoint([first_keys])
    monkeypatch.setattr(tokens, "time", answering)
    yield answering
    answering.server.stop()


@pytest.fixture
def key_set(endpoint: KeysEndpoint) -> KeySet:
    return KeySet(endpoint.server.url)


def look(key_set: KeySet, key_id: str) -> None:
    asyncio.run(key_set.key(key_id))


def test_keys_are_kept_as_long_as_their_cache_control_says(endpoint: KeysEndpoint, key_set: KeySet) -> None:
    endpoint.cache_control = "public, max-age=120, must-revalidate"
    for seconds, visits in ((0, 1), (119, 1), (2, 2), (119, 2), (2, 3)):
        endpoint.clock += seconds
        look(key_set, "first")
        assert endpoint.visits == visits


def test_keys_without_a_cache_control_are_kept_an_hour(endpoint: KeysEndpoint, key_set: KeySet) -> None:
    endpoint.cache_control = ""
    for seconds, visits in ((0, 1), (3599, 1), (2, 2)):
        endpoint.clock += seconds
        look(key_set, "first")
        assert endpoint.visits == visits


def test_callers_at_once_share_one_visit(endpoint: KeysEndpoint, key_set: KeySet) -> None:
    async def crowd() -> None:
        await asyncio.gather(*(key_set.key("first") for _ in range(50)))

    asyncio.run(crowd())
    assert endpoint.visits == 1


def test_a_rotation_is_noticed_but_noise_does_not_hammer(
    endpoint: KeysEndpoint, key_set: KeySet, next_keys: SigningKeys
) -> None:
    look(key_set, "first")
    endpoint.keys.append(next_keys)
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            look(key_set, "next")
    assert endpoint.visits == 1
    endpoint.clock += tokens.REFETCH_AFTER_S
    look(key_set, "next")
    assert endpoint.visits == 2
    for number in range(20):
        with pytest.raises(Unauthenticated):
            look(key_set, f"noise-{number}")
    assert endpoint.visits == 2


def test_a_withdrawn_key_is_forgotten(endpoint: KeysEndpoint, key_set: KeySet, next_keys: SigningKeys) -> None:
    look(key_set, "first")
    endpoint.keys[:] = [next_keys]
    endpoint.clock += 3601
    with pytest.raises(Unauthenticated):
        look(key_set, "first")


@pytest.mark.parametrize(
    "broken", [{"status": 503}, {"body": b"<html>"}, {"body": b'{"keys": 7}'}, {"body": b"[]"}], ids=str
)
def test_without_any_keys_the_caller_is_asked_to_come_back(
    endpoint: KeysEndpoint, key_set: KeySet, broken: dict[str, Any]
) -> None:
    for name, value in broken.items():
        setattr(endpoint, name, value)
    with pytest.raises(TemporarilyUnavailable):
        look(key_set, "first")
    endpoint.status, endpoint.body = 200, None
    look(key_set, "first")


def test_known_keys_outlive_an_outage_which_is_not_hammered(
    endpoint: KeysEndpoint, key_set: KeySet, next_keys: SigningKeys
) -> None:
    look(key_set, "first")
    endpoint.status = 503
    endpoint.clock += 3601
    for _ in range(20):
        look(key_set, "first")
    assert endpoint.visits == 2
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            look(key_set, "next")
    assert endpoint.visits == 2
    endpoint.status = 200
    endpoint.keys.append(next_keys)
    endpoint.clock += tokens.REFETCH_AFTER_S
    look(key_set, "next")
    assert endpoint.visits == 3


def test_a_dead_address_is_an_outage_too() -> None:
    gone = AnswerThread(lambda _: (200, b"", {}))
    gone.stop()
    with pytest.raises(TemporarilyUnavailable):
        look(KeySet(gone.url), "first")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://keys.example/jwks", "ftp://127.0.0.1:1/"])
def test_keys_are_read_from_no_insecure_address(url: str) -> None:
    with pytest.raises(TemporarilyUnavailable):
        look(KeySet(url), "first")


def invoker_token(keys: SigningKeys, **more: Any) -> str:
    invoker = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "email": INVOKER, "email_verified": True}
    return signed(keys, **(invoker | more))


def test_the_invoker_is_believed(signing_keys: SigningKeys) -> None:
    for issuer in tokens.GOOGLE_ISSUERS:
        asyncio.run(verify_invoker(invoker_token(signing_keys, iss=issuer), AUDIENCE))


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://functions.test/triggers/release_hold"},
        {"iss": ISSUER},
        {"email": "somebody@example.com"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"exp": int(time.time()) - 10},
    ],
    ids=named_by_claim,
)
def test_nobody_else_is_the_invoker(signing_keys: SigningKeys, wrong: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        asyncio.run(verify_invoker(invoker_token(signing_keys, **wrong), AUDIENCE))


def test_the_invokers_token_is_signed_even_beside_the_auth_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099")
    config.cache_clear()
    bare = claims(iss="https://accounts.google.com", aud=AUDIENCE, email=INVOKER, email_verified=True)
    with pytest.raises(Unauthenticated):
        asyncio.run(verify_invoker(unsigned(bare), AUDIENCE))


def test_without_an_invoker_configured_nobody_is(signing_keys: SigningKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INVOKER_SERVICE_ACCOUNT")
    config.cache_clear()
    for email in ("", INVOKER, None):
        with pytest.raises(Unauthenticated):
            asyncio.run(verify_invoker(invoker_token(signing_keys, email=email), AUDIENCE))


class TestBehindCloudRun:
    """Cloud Run verifies the invoker's token itself, and passes it on with a note in the place of its signature."""

    @pytest.fixture(autouse=True)
    def _checked_by_cloud_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("INVOKER_CHECKED_BY", "cloud-run")
        config.cache_clear()

    @staticmethod
    def passed_on(keys: SigningKeys, **more: Any) -> str:
        return f"{invoker_token(keys, **more).rpartition('.')[0]}.{tokens.CHECKED_BY_CLOUD_RUN}"

    @pytest.mark.parametrize(
        "audience", [AUDIENCE, "https://release-hold-x7.a.run.app"], ids=["one address", "another"]
    )
    def test_the_invoker_is_believed_at_any_address_of_the_service(
        self, signing_keys: SigningKeys, audience: str
    ) -> None:
        asyncio.run(verify_invoker(self.passed_on(signing_keys, aud=audience), AUDIENCE))

    @pytest.mark.parametrize(
        "wrong",
        [{"email": "somebody@example.com"}, {"email_verified": False}, {"iss": ISSUER}, {"exp": int(time.time()) - 10}],
        ids=named_by_claim,
    )
    def test_nobody_else_is(self, signing_keys: SigningKeys, wrong: dict[str, Any]) -> None:
        with pytest.raises(Unauthenticated):
            asyncio.run(verify_invoker(self.passed_on(signing_keys, **wrong), AUDIENCE))

    def test_a_signature_that_is_there_is_verified(self, signing_keys: SigningKeys, next_keys: SigningKeys) -> None:
        with pytest.raises(Unauthenticated):
            asyncio.run(verify_invoker(invoker_token(next_keys), AUDIENCE))

    def test_elsewhere_the_note_is_no_signature(
        self, signing_keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("INVOKER_CHECKED_BY")
        config.cache_clear()
        with pytest.raises(Unauthenticated):
            asyncio.run(verify_invoker(self.passed_on(signing_keys), AUDIENCE))


def test_an_address_may_name_the_service_instead_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIGGER_URL_TEMPLATE", "https://{service}-123456789012.asia-south1.run.app")
    config.cache_clear()
    assert config().trigger_url("release_hold") == "https://release-hold-123456789012.asia-south1.run.app"
