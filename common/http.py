"""HTTP's side of every function: bodies, tokens, request ids, problem documents, headers and the access log."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from common import log, tracing
from common.config import config
from common.errors import (
    BodyTooLarge,
    InvalidIdempotencyKey,
    MalformedJson,
    Problem,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
    problem_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

    from common.tokens import Caller
    from common.wire import Wire

ModelT = TypeVar("ModelT", bound="Wire")

REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9_.-]{8,128}$")
VISIBLE: Final = re.compile(r"^[\x21-\x7e]{1,255}$")
PROBLEM_JSON: Final = "application/problem+json"
SECURITY_HEADERS: Final = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_request_id: ContextVar[str] = ContextVar("request_id")
# Writes a refusal, from the problem and the request's id.
Refusal = Callable[[Problem, str], Response]


def problem_json(problem: Problem, for_request: str) -> Response:
    """The problem document, for programs."""
    body = json.dumps(problem.document(for_request), default=str)
    return Response(body, problem.status, media_type=PROBLEM_JSON)


async def respond(
    request: Request, name: str, serve: Callable[[], Awaitable[Response]], refusal: Refusal = problem_json
) -> Response:
    """Run one request to its end: whatever happens inside becomes a reply, a log line, and headers."""
    started = time.perf_counter()
    _request_id.set(_accepted_request_id(request))
    log.begin(requestId=request_id(request), function=name, **tracing.log_fields(tracing.incoming(request.headers)))
    try:
        response = await serve()
    except Problem as problem:
        response = _refused(problem, request_id(request), refusal)
    except ClientDisconnect:
        response = Response(status_code=499)
    except Exception as failure:
        unforeseen = problem_of(failure)
        log.error("request failed", cause=failure, code=unforeseen.code)
        response = _refused(unforeseen, request_id(request), refusal)
    for header, value in SECURITY_HEADERS.items():
        response.headers.setdefault(header, value)
    response.headers["X-Request-ID"] = request_id(request)
    _allow_origin(request, response)
    elapsed = time.perf_counter() - started
    log.info(
        f"{request.method} {request.url.path} {response.status_code}",
        httpRequest={
            "requestMethod": request.method,
            "requestUrl": request.url.path,
            "status": response.status_code,
            "latency": f"{elapsed:.6f}s",
        },
    )
    return response


def _refused(problem: Problem, for_request: str, refusal: Refusal) -> Response:
    """The refusal with the headers that belong to it."""
    response = refusal(problem, for_request)
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if problem.status == 405:
        response.headers["Allow"] = str(problem.extensions.get("allow", ""))
    return response


def json_reply(reply: Wire, status: int) -> Response:
    """A model as camelCase JSON; absent values are left out."""
    return Response(reply.model_dump_json(by_alias=True, exclude_none=True), status, media_type="application/json")


def request_id(request: Request) -> str:
    """The id that this request answers to, in the reply, the log and what it sets off."""
    return _request_id.get(request.headers.get("x-request-id", ""))


def _accepted_request_id(request: Request) -> str:
    offered = request.headers.get("x-request-id", "")
    return offered if REQUEST_ID.match(offered) else uuid4().hex


def _allow_origin(request: Request, response: Response) -> None:
    origin = request.headers.get("origin")
    allowed = config().allowed_origins.replace(" ", "").split(",")
    if config().allowed_origins:
        response.headers.add_vary_header(
            "Origin"
        )  # also to others: a cache must not hand them a reply without the headers
    if origin and origin in allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After, Idempotent-Replayed, ETag"


def preflight() -> Response:
    """The answer to a browser that asks before it calls: the same for every route, so anyone may give it for any."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-ID",
            "Access-Control-Max-Age": "3600",
        },
    )


def bearer_token(request: Request) -> str | None:
    """The token of the Authorization header, None without the header."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Authorization must be a Bearer token.")
    return token


async def sign_in(request: Request) -> Caller | None:
    """The verified caller, None when nobody claims to be signed in. A bad token is refused, never ignored."""
    token = bearer_token(request)
    if token is None:
        return None
    from common.tokens import verify_firebase

    caller = await verify_firebase(token)
    log.bind(userId=caller.user_id)
    return caller


async def read_body(request: Request, most: int) -> bytes:
    """The raw body; BodyTooLarge as soon as it is longer than `most` bytes, whatever its header says."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise BodyTooLarge(f"At most {most} bytes are accepted.")
    return bytes(body)


def parse_body(request: Request, raw: bytes, model: type[ModelT]) -> ModelT:
    """The body as its model. An absent body is an empty object."""
    if not raw:
        raw = b"{}"
    elif request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType
    try:
        return model.model_validate_json(raw, strict=True, by_alias=True, by_name=False)
    except ValidationError as invalid:
        if invalid.errors()[0]["type"] == "json_invalid":
            raise MalformedJson from None
        raise _refusal(invalid) from None


def parse_query(request: Request, model: type[ModelT]) -> ModelT:
    """The query string as its model. What comes twice is refused: a proxy might take another one than we."""
    counted = Counter(name for name, _ in request.query_params.multi_items())
    twice = [
        {"field": name, "code": "duplicated", "message": "must come once"}
        for name, count in counted.items()
        if count > 1
    ]
    if twice:
        raise ValidationFailed(errors=twice)
    try:
        return model.model_validate_strings(dict(request.query_params), by_alias=True, by_name=False)
    except ValidationError as invalid:
        raise _refusal(invalid) from None


def _refusal(invalid: ValidationError) -> ValidationFailed:
    return ValidationFailed(
        errors=[
            {"field": ".".join(map(str, error["loc"])), "code": error["type"], "message": error["msg"]}
            for error in invalid.errors(include_url=False, include_context=False, include_input=False)
        ]
    )


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key, None when there is none."""
    key = request.headers.get("idempotency-key")
    if key is not None and not VISIBLE.match(key):
        raise InvalidIdempotencyKey
    return key
