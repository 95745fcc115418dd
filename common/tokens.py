"""Tokens are believed only after their signature, issuer, audience and times were checked."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jwt

from common.config import config
from common.errors import TemporarilyUnavailable, TokenExpired, Unauthenticated

CLOCK_SKEW_S: Final = 5
KEYS_TIMEOUT_S: Final = 5.0
DEFAULT_KEYS_AGE_S: Final = 3600.0
# A token that names an unknown key may follow a rotation, or be noise: look again at most this often.
REFETCH_AFTER_S: Final = 10.0
GOOGLE_ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
MAX_AGE: Final = re.compile(r"max-age=(\d+)")
LONGEST_USER_ID: Final = 128
UNSIGNED: Final = ""
# What Cloud Run puts in the place of a signature that it has verified itself.
CHECKED_BY_CLOUD_RUN: Final = "SIGNATURE_REMOVED_BY_GOOGLE"


@dataclass(frozen=True)
class Caller:
    """Who is signed in: the verified claims of a Firebase ID token."""

    user_id: str
    phone: str | None = None
    email: str | None = None
    name: str | None = None
    is_admin: bool = False


class KeySet:
    """The public keys behind a JWKS address, kept for as long as the answer's Cache-Control allows."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -REFETCH_AFTER_S
        self._fresh_until = 0.0
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key of this id; Unauthenticated when there is none, TemporarilyUnavailable without an answer."""
        if not self._usable(key_id):
            async with self._fetching:
                if not self._usable(key_id):
                    await self._fetch()
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthenticated("The token is signed with an unknown key.") from None

    def _usable(self, key_id: str) -> bool:
        now = time.monotonic()
        just_looked = now - self._fetched_at < REFETCH_AFTER_S
        return now < self._fresh_until and (key_id in self._keys or just_looked)

    async def _fetch(self) -> None:
        try:
            body, cache_control = await asyncio.to_thread(_download, self._url)
            keys = {key.key_id or "": key for key in jwt.PyJWKSet.from_dict(json.loads(body)).keys}
        except (OSError, HTTPException, ValueError, AttributeError, jwt.PyJWTError) as failed:
            if self._keys:  # yesterday's keys still verify; a forged token gains nothing by the outage
                self._fetched_at = time.monotonic()
                self._fresh_until = self._fetched_at + REFETCH_AFTER_S
                return
            raise TemporarilyUnavailable("The sign-in keys cannot be read right now.") from failed
        age = MAX_AGE.search(cache_control)
        self._keys, self._fetched_at = keys, time.monotonic()
        self._fresh_until = self._fetched_at + (float(age[1]) if age else DEFAULT_KEYS_AGE_S)


def _download(url: str) -> tuple[bytes, str]:
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise ValueError(f"{url} is no address for keys")
    try:
        with urlopen(Request(url), timeout=KEYS_TIMEOUT_S) as answer:  # noqa: S310  # the schemes are checked above
            return answer.read(), answer.headers.get("Cache-Control", "")
    except HTTPError as refused:
        refused.close()  # it holds the connection
        raise


@cache
def key_set(url: str) -> KeySet:
    """One key set an address a process."""
    return KeySet(url)


async def verify_firebase(token: str) -> Caller:
    """The caller that a Firebase ID token stands for.

    Checks are those of Firebase's "verify ID tokens using a third-party JWT library". Tokens of the Auth
    emulator are unsigned and accepted only where FIREBASE_AUTH_EMULATOR_HOST is set.
    """
    project = config().project
    issuer = f"https://securetoken.google.com/{project}"
    if config().firebase_auth_emulator_host and _header(token).get("alg") == "none":
        claims = _decode(token, UNSIGNED, issuer=[issuer], audience=project)
    else:
        key = await _signing_key(token, config().firebase_keys_url)
        claims = _decode(token, key, issuer=[issuer], audience=project)
    user_id = claims["sub"]
    if not user_id or len(user_id) > LONGEST_USER_ID or "/" in user_id:
        raise Unauthenticated("The token names no user.")
    if claims.get("auth_time", 0) > time.time() + CLOCK_SKEW_S:
        raise Unauthenticated("The token's sign-in lies in the future.")
    return Caller(
        user_id=user_id,
        phone=claims.get("phone_number"),
        email=claims.get("email"),
        name=claims.get("name"),
        is_admin=claims.get("admin") is True,
    )


async def verify_invoker(token: str, audience: str) -> None:
    """Check that the platform's own service account called the private function at `audience`.

    Where Cloud Run demands authentication it verifies signature and audience, which may be any address of the service,
    and passes the token on without its signature: what is left to check is whose it is.
    """
    if config().invoker_checked_by == "cloud-run" and token.rpartition(".")[2] == CHECKED_BY_CLOUD_RUN:
        claims = _decode(token, UNSIGNED, issuer=list(GOOGLE_ISSUERS), audience=None)
    else:
        key = await _signing_key(token, config().oidc_keys_url)
        claims = _decode(token, key, issuer=list(GOOGLE_ISSUERS), audience=audience)
    invoker = config().invoker_service_account
    if not invoker or claims.get("email") != invoker or claims.get("email_verified") is not True:
        raise Unauthenticated("The token is not the invoker's.")


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Unauthenticated("The token is malformed.") from None


async def _signing_key(token: str, keys_url: str) -> jwt.PyJWK:
    header = _header(token)
    if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
        raise Unauthenticated("The token must be signed with RS256.")
    return await key_set(keys_url).key(header["kid"])


def _decode(token: str, key: jwt.PyJWK | str, *, issuer: list[str], audience: str | None) -> dict[str, Any]:
    """The claims, after signature and audience (where they are given), issuer, times and subject were checked."""
    claims = ["exp", "iat", "aud", "iss", "sub"]
    signed = key is not UNSIGNED
    try:
        return jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=issuer,
            audience=audience,
            leeway=CLOCK_SKEW_S,
            # Without a signature to verify, the library would skip the claims too, unless told to check each.
            options={
                "require": claims,
                "verify_signature": signed,
                "verify_exp": True,
                "verify_iat": True,
                "verify_aud": audience is not None,
                "verify_iss": True,
                "verify_sub": True,
            },
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except jwt.PyJWTError as refused:
        raise Unauthenticated(f"The token is not accepted: {refused}.") from None
