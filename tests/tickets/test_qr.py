"""A ticket's code: what we signed is read back, anything else is refused."""

from __future__ import annotations

import base64
import string
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from common.config import config
from common.ids import new_id
from common.tickets import qr
from common.tickets.qr import QrInvalid
from common.tickets.qr_picture import svg
from common.tickets.schemas import TicketCode
from tests.support.people import accepted

if TYPE_CHECKING:
    import httpx

CODE = TicketCode(new_id("tkt"), new_id("evt"), 1)
ids = st.binary(min_size=15, max_size=15).map(lambda raw: base64.b32encode(raw).decode().lower())
codes = st.builds(TicketCode, ids.map("tkt_{}".format), ids.map("evt_{}".format), st.integers(0, qr.LARGEST_VERSION))


def key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def public(seed: int) -> str:
    return base64.b64encode(key(seed).public_key().public_bytes_raw()).decode()


def use_keys(monkeypatch: pytest.MonkeyPatch, signing: int, *retired: int) -> None:
    monkeypatch.setenv("TICKET_SIGNING_KEY", base64.b64encode(key(signing).private_bytes_raw()).decode())
    monkeypatch.setenv("RETIRED_TICKET_KEYS", ",".join(map(public, retired)))
    config.cache_clear()


@given(codes)
def test_what_is_encoded_is_decoded(code: TicketCode) -> None:
    text = qr.encode(code)
    assert qr.decode(text) == code
    assert len(text) == 164
    # Only these stand in a QR symbol's dense alphanumeric mode.
    assert set(text) <= set(string.ascii_uppercase + string.digits + ".")


@given(st.data())
def test_one_changed_character_is_refused(data: st.DataObject) -> None:
    text = qr.encode(CODE)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.one_of(st.sampled_from(string.printable), st.characters()).filter(lambda c: c != text[place]))
    with pytest.raises(QrInvalid):
        qr.decode(text[:place] + other + text[place + 1 :])


def test_every_place_refuses_every_letter_of_the_alphabet() -> None:
    text = qr.encode(CODE)
    changed = {
        text[:place] + letter + text[place + 1 :]
        for place in range(len(text))
        for letter in string.ascii_uppercase + string.ascii_lowercase + "0123456789=."
    } - {text}
    for forged in changed:
        with pytest.raises(QrInvalid):
            qr.decode(forged)


@given(st.text(max_size=300))
def test_garbage_is_refused(text: str) -> None:
    for forged in (text, qr.PREFIX + text):
        with pytest.raises(QrInvalid):
            qr.decode(forged)


def test_a_shortened_lengthened_or_spaced_code_is_refused() -> None:
    text = qr.encode(CODE)
    for forged in (
        text[:-1],
        text + "A",
        text + "=",
        text + "\n",
        f" {text}",
        text.lower(),
        text[4:],
        "MQ2." + text[4:],
    ):
        with pytest.raises(QrInvalid):
            qr.decode(forged)


def test_a_code_of_another_key_is_refused_even_under_our_key_id(monkeypatch: pytest.MonkeyPatch) -> None:
    use_keys(monkeypatch, 1)
    ours = qr.encode(CODE)
    use_keys(monkeypatch, 2)
    theirs = qr.encode(CODE)
    with pytest.raises(QrInvalid):
        qr.decode(ours)
    signed = base64.b32decode(ours[4:])[: qr.SIGNED_BYTES]
    forged = qr.PREFIX + base64.b32encode(signed + key(2).sign(qr.PREFIX.encode() + signed)).decode()
    use_keys(monkeypatch, 1)
    for text in (theirs, forged):
        with pytest.raises(QrInvalid):
            qr.decode(text)


def test_the_signature_covers_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    use_keys(monkeypatch, 1)
    signed = base64.b32decode(qr.encode(CODE)[4:])[: qr.SIGNED_BYTES]
    bare = qr.PREFIX + base64.b32encode(signed + key(1).sign(signed)).decode()
    with pytest.raises(QrInvalid):
        qr.decode(bare)


def test_codes_of_a_retired_key_stay_good_and_new_ones_use_the_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    use_keys(monkeypatch, 1)
    old = qr.encode(CODE)
    use_keys(monkeypatch, 3, 2, 1)
    assert qr.decode(old) == CODE
    assert qr.encode(CODE) != old
    assert [known.raw for known in qr.public_keys()] == [
        key(seed).public_key().public_bytes_raw() for seed in (3, 2, 1)
    ]


@pytest.mark.parametrize(
    "code",
    [
        TicketCode("evt_aaaaaaaaaaaaaaaaaaaaaaaa", CODE.event_id, 1),
        TicketCode("tkt_short", CODE.event_id, 1),
        TicketCode(CODE.ticket_id.upper(), CODE.event_id, 1),
        TicketCode(CODE.ticket_id, CODE.event_id + "aaaaaaaa", 1),
    ],
)
def test_ids_that_would_not_come_back_are_not_encoded(code: TicketCode) -> None:
    with pytest.raises(ValueError, match=r"is not an id|padding|digit"):
        qr.encode(code)


def test_a_missing_key_is_our_own_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TICKET_SIGNING_KEY")
    config.cache_clear()
    with pytest.raises(RuntimeError, match="TICKET_SIGNING_KEY"):
        qr.encode(CODE)


def test_the_picture_is_small_and_safe_to_embed() -> None:
    picture = svg(qr.encode(CODE))
    # Version 7 is 45 modules, and 4 of quiet zone on each side.
    assert picture.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 53 53">')
    assert picture.endswith("</svg>")
    assert "<script" not in picture


@pytest.fixture
def published_keys(anonymous: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a door needs to know before its network goes away, as (key id, key)."""
    use_keys(monkeypatch, 2, 1)
    reply = anonymous.get("/v1/ticket-keys")
    assert "public, max-age=3600" in reply.headers["cache-control"]
    keys = accepted(reply)["keys"]
    assert all((entry["kty"], entry["crv"], entry["alg"]) == ("OKP", "Ed25519", "EdDSA") for entry in keys)
    assert not any("d" in entry for entry in keys)
    return {entry["kid"]: entry["x"] for entry in keys}


def test_a_code_is_verified_offline_with_the_published_keys_alone(
    published_keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = qr.encode(CODE)
    use_keys(monkeypatch, 1)
    for text in (new, qr.encode(CODE)):
        raw = base64.b32decode(text[4:])
        verifier = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(published_keys[raw[:4].hex()] + "="))
        verifier.verify(raw[36:], b"MQ1." + raw[:36])
        assert "tkt_" + base64.b32encode(raw[4:19]).decode().lower() == CODE.ticket_id
        assert "evt_" + base64.b32encode(raw[19:34]).decode().lower() == CODE.event_id
        assert int.from_bytes(raw[34:36], "big") == CODE.version
        with pytest.raises(InvalidSignature):
            verifier.verify(raw[36:], b"MQ1." + raw[:35] + bytes([raw[35] ^ 1]))
