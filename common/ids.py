"""Opaque ids: random ones for new things, derived ones where a repeat must meet the same document."""

from __future__ import annotations

import base64
import hashlib
import secrets

# Crockford's alphabet: no I, L, O or U, so a number read aloud at a door is not misheard.
READABLE = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ENTROPY_BYTES = 15


def _text(prefix: str, raw: bytes) -> str:
    return f"{prefix}_{base64.b32encode(raw).decode().lower()}"


def new_id(prefix: str) -> str:
    """A random id of 120 bits, such as `evt_6zq…`."""
    return _text(prefix, secrets.token_bytes(ENTROPY_BYTES))


def derived_id(prefix: str, *parts: str) -> str:
    """The same parts give the same id, others give another (120 bits of SHA-256)."""
    joined = "\x1f".join(parts).encode()
    return _text(prefix, hashlib.sha256(joined).digest()[:ENTROPY_BYTES])


def readable_number(prefix: str, seed: str) -> str:
    """A number for people, derived from an id: `TKT-7F3K-9QXT`."""
    digest = hashlib.sha256(f"{prefix}\x1f{seed}".encode()).digest()
    letters = "".join(READABLE[byte % 32] for byte in digest[:8])
    return f"{prefix}-{letters[:4]}-{letters[4:]}"


def fingerprint(*parts: bytes) -> str:
    """A digest that tells whether two requests ask for the same thing."""
    return hashlib.sha256(b"\x1f".join(parts)).hexdigest()
