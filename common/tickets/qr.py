"""A ticket's code: 164 characters, signed with Ed25519, so that a door without network can tell a real one.

`MQ1.` and then base32 (RFC 4648, capitals, no padding) of exactly 100 bytes: key id (4), ticket id (15), event id
(15), version (2, big endian), signature (64). The signature covers `MQ1.` and the 36 bytes before it. A QR symbol
stores capitals and digits in 5.5 bits each, so base32 makes a smaller picture than base64 would; and 100 bytes fill
160 letters to the last bit, so there are no spare bits that could be changed unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from common.config import config
from common.errors import Problem
from common.tickets.schemas import TicketCode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX: Final = "MQ1."
KEY_ID_BYTES: Final = 4
ID_BYTES: Final = 15
SIGNED_BYTES: Final = KEY_ID_BYTES + 2 * ID_BYTES + 2
CODE_BYTES: Final = SIGNED_BYTES + 64
LARGEST_VERSION: Final = 0xFFFF


class QrInvalid(Problem):
    status, code, title = 422, "qr_invalid", "This is not a code that we signed"


@dataclass(frozen=True)
class PublicKey:
    """A key that codes are checked with."""

    key_id: str
    raw: bytes


def encode(code: TicketCode) -> str:
    """The signed text of a code."""
    private, key_id = _signer(config().ticket_signing_key)
    signed = (
        key_id
        + _raw_id("tkt", code.ticket_id)
        + _raw_id("evt", code.event_id)
        + code.version.to_bytes(SIGNED_BYTES - KEY_ID_BYTES - 2 * ID_BYTES, "big")
    )
    signature = private.sign(PREFIX.encode() + signed)
    return PREFIX + base64.b32encode(signed + signature).decode()


def decode(text: str) -> TicketCode:
    """What the text says, if one of our keys signed exactly this text; QrInvalid otherwise."""
    from cryptography.exceptions import InvalidSignature

    raw = _raw_code(text)
    signed, signature = raw[:SIGNED_BYTES], raw[SIGNED_BYTES:]
    verifier = _verifiers(config().ticket_signing_key, config().retired_ticket_keys).get(signed[:KEY_ID_BYTES])
    if verifier is None:
        raise QrInvalid
    try:
        verifier.verify(signature, PREFIX.encode() + signed)
    except InvalidSignature:
        raise QrInvalid from None
    ids_end = KEY_ID_BYTES + 2 * ID_BYTES
    return TicketCode(
        ticket_id=_text_id("tkt", signed[KEY_ID_BYTES : KEY_ID_BYTES + ID_BYTES]),
        event_id=_text_id("evt", signed[KEY_ID_BYTES + ID_BYTES : ids_end]),
        version=int.from_bytes(signed[ids_end:], "big"),
    )


def public_keys() -> tuple[PublicKey, ...]:
    """Every key that codes are accepted from; the first one signs."""
    verifiers = _verifiers(config().ticket_signing_key, config().retired_ticket_keys)
    return tuple(PublicKey(key_id.hex(), key.public_bytes_raw()) for key_id, key in verifiers.items())


def _raw_code(text: str) -> bytes:
    try:
        raw = base64.b32decode(text.removeprefix(PREFIX))
    except (binascii.Error, ValueError):
        raise QrInvalid from None
    # Encoding it again must give the same letters: only one text stands for one code.
    if len(raw) != CODE_BYTES or PREFIX + base64.b32encode(raw).decode() != text:
        raise QrInvalid
    return raw


def _raw_id(prefix: str, text: str) -> bytes:
    raw = base64.b32decode(text.removeprefix(f"{prefix}_"), casefold=True)
    if _text_id(prefix, raw) != text or len(raw) != ID_BYTES:
        raise ValueError(f"{text} is not an id that common.ids made with the prefix {prefix}")
    return raw


def _text_id(prefix: str, raw: bytes) -> str:
    return f"{prefix}_{base64.b32encode(raw).decode().lower()}"


def _key_id(public: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(public.public_bytes_raw()).digest()[:KEY_ID_BYTES]


@cache
def _signer(seed: str) -> tuple[Ed25519PrivateKey, bytes]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not seed:
        raise RuntimeError("TICKET_SIGNING_KEY must hold a base64 Ed25519 seed of 32 bytes")
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed, validate=True))
    return private, _key_id(private.public_key())


@cache
def _verifiers(seed: str, retired: str) -> dict[bytes, Ed25519PublicKey]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    current = _signer(seed)[0].public_key()
    earlier = (Ed25519PublicKey.from_public_bytes(base64.b64decode(key)) for key in retired.split(",") if key)
    return {_key_id(key): key for key in (current, *earlier)}
