"""An HTTPS endpoint declares itself: route, access, shapes and errors hang on the plain function as `.spec`."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast

from starlette.responses import Response
from typing_extensions import TypeVar

from common import http, tracing
from common.access import Access, SignIn
from common.caching import Cache, Until, with_caching
from common.errors import (
    MethodNotAllowed,
    NotFound,
    Problem,
    Unauthenticated,
)
from common.ids import derived_id, fingerprint, new_id
from common.wire import Empty, Wire

if TYPE_CHECKING:
    from starlette.requests import Request

    from common.http import Refusal
    from common.tokens import Caller

BodyT = TypeVar("BodyT", bound=Wire, default=Empty)
QueryT = TypeVar("QueryT", bound=Wire, default=Empty)
PATH_PARAMETER = re.compile(r"\{(\w+)\}")
# Firestore keeps ids that begin with two underscores for itself.
PATH_VALUE = r"[A-Za-z0-9-][A-Za-z0-9_-]{0,127}"


class Idempotency(StrEnum):
    """How a repeat with the same Idempotency-Key finds the first reply."""

    NONE = "none"
    RECORDED = "recorded"  # the wrapper keeps the reply
    DERIVED_ID = "derived_id"  # the created document's id comes from the key: it is the record, at no extra cost


@dataclass(frozen=True)
class Resources:
    """What the deployed function gets; the defaults suit a small JSON endpoint."""

    memory_mb: int = 512
    timeout_s: int = 30
    concurrency: int = 80
    min_instances: int = 0
    max_instances: int = 100


@dataclass(frozen=True)
class EndpointSpec:
    """Everything that the gateway, openapi.json and Terraform need to know of an endpoint."""

    name: str
    module: str
    summary: str
    description: str
    method: str
    path: str
    access: Access
    body: type[Wire] | None
    query: type[Wire] | None
    returns: type[Wire] | None
    status: int
    errors: tuple[type[Problem], ...]
    idempotency: Idempotency
    max_body_bytes: int
    resources: Resources
    secrets: tuple[str, ...]
    cache: Cache | None
    media_type: str
    moves: bool
    refusal: Refusal
    pattern: re.Pattern[str] = field(repr=False)

    @property
    def methods(self) -> tuple[str, ...]:
        """What a caller may send: whatever caches may keep can be asked for its headers alone, too."""
        return (self.method, "HEAD") if self.cache else (self.method,)


@dataclass(frozen=True)
class Call(Generic[BodyT, QueryT]):
    """One request, checked: what a handler works with."""

    body: BodyT
    query: QueryT
    path: Mapping[str, str]
    caller: Caller | None
    request_id: str
    headers: Mapping[str, str]
    raw: bytes
    idempotency_key: str | None

    @property
    def user(self) -> Caller:
        """The signed-in caller."""
        if self.caller is None:
            raise Unauthenticated
        return self.caller

    def id_for(self, prefix: str) -> str:
        """The id of what this call creates: the same again for the same caller and Idempotency-Key."""
        if self.idempotency_key is None:
            return new_id(prefix)
        return derived_id(prefix, self.user.user_id, self.idempotency_key)

    @property
    def fingerprint(self) -> str:
        """Tells whether a repeat of the Idempotency-Key asks for the same thing: path and body, spacing aside."""
        body = self.body.model_dump_json(by_alias=True)
        return fingerprint(json.dumps(dict(self.path), sort_keys=True).encode(), body.encode())


class Endpoint(Protocol):
    """A declared function: what functions-framework serves, with its declaration."""

    spec: EndpointSpec
    __name__: str

    async def __call__(self, request: Request) -> Response: ...


# A reply is a model, nothing (204), or a Response where the handler sets its own headers; `Until` a time, if need be.
Handler = Callable[[Call[Any, Any]], Awaitable[Wire | Response | Until | None]]


def endpoint(
    method: str,
    path: str,
    *,
    access: Access,
    body: type[Wire] | None = None,
    query: type[Wire] | None = None,
    returns: type[Wire] | None = None,
    status: int = 200,
    errors: tuple[type[Problem], ...] = (),
    idempotency: Idempotency = Idempotency.NONE,
    max_body_bytes: int = 64 * 1024,
    resources: Resources = Resources(),
    secrets: tuple[str, ...] = (),
    cache: Cache | None = None,
    media_type: str = "application/json",
    moves: bool = False,
    refusal: Refusal = http.problem_json,
) -> Callable[[Handler], Endpoint]:
    """Declare an endpoint. The decorated function takes a Starlette request and carries `.spec`.

    Without `cache`, which is for GET, nobody keeps a reply. `moves`: it may also redirect to the present address.
    `refusal` writes the body of an error where that is not to be a problem document.
    """

    def declare(handler: Handler) -> Endpoint:
        summary, _, description = (handler.__doc__ or "").strip().partition("\n")
        template = PATH_PARAMETER.sub(lambda found: f"(?P<{found[1]}>{PATH_VALUE})", path)
        spec = EndpointSpec(
            name=handler.__name__,
            module=handler.__module__,
            summary=summary,
            description=" ".join(description.split()),
            method=method,
            path=path,
            access=access,
            body=body,
            query=query,
            returns=returns,
            status=status,
            errors=errors,
            idempotency=idempotency,
            max_body_bytes=max_body_bytes,
            resources=resources,
            secrets=secrets,
            cache=cache,
            media_type=media_type,
            moves=moves,
            refusal=refusal,
            pattern=re.compile(f"^{template}$"),
        )

        async def function(request: Request) -> Response:
            return await http.respond(request, spec.name, lambda: _traced(spec, handler, request), spec.refusal)

        function.__name__, function.__qualname__ = handler.__name__, handler.__qualname__
        function.__module__, function.__doc__ = handler.__module__, handler.__doc__
        declared = cast("Endpoint", function)
        declared.spec = spec
        return declared

    return declare


async def _traced(spec: EndpointSpec, handler: Handler, request: Request) -> Response:
    return await tracing.served(
        spec.name, spec.path, request.method, request.headers, lambda: _serve(spec, handler, request)
    )


async def _serve(spec: EndpointSpec, handler: Handler, request: Request) -> Response:
    """Check everything that the declaration promises, in the order in which a caller may learn of it."""
    if request.method == "OPTIONS":
        return http.preflight()
    if request.method not in spec.methods:
        raise MethodNotAllowed(allow=", ".join(spec.methods))
    found = spec.pattern.fullmatch(request.url.path)
    if found is None:
        raise NotFound
    caller = await http.sign_in(request) if spec.access.sign_in is not SignIn.NONE else None
    if caller is None and spec.access.sign_in is SignIn.REQUIRED:
        raise Unauthenticated
    raw = await http.read_body(request, spec.max_body_bytes)
    takes_json = spec.access.sign_in is not SignIn.NONE
    call: Call[Any, Any] = Call(
        body=http.parse_body(request, raw, spec.body or Empty) if takes_json else Empty(),
        query=http.parse_query(request, spec.query or Empty),
        path=found.groupdict(),
        caller=caller,
        request_id=http.request_id(request),
        headers=request.headers,
        raw=raw,
        idempotency_key=http.idempotency_key(request) if spec.idempotency is not Idempotency.NONE else None,
    )
    if spec.access.authorize is not None:
        await spec.access.authorize(call)
    if spec.idempotency is Idempotency.RECORDED and call.idempotency_key is not None:
        from common.idempotency import once

        return await once(spec.name, call, lambda: _reply(spec, handler, call))
    return await _reply(spec, handler, call)


async def _reply(spec: EndpointSpec, handler: Handler, call: Call[Any, Any]) -> Response:
    answer = await handler(call)
    reply, changes_at = (answer.reply, answer.changes_at) if isinstance(answer, Until) else (answer, None)
    if isinstance(reply, Wire):
        reply = http.json_reply(reply, spec.status)
    response = Response(status_code=204) if reply is None else reply
    if spec.cache is None:
        return response
    return with_caching(
        response,
        spec.cache,
        call.path,
        signed_in=call.caller is not None,
        if_none_match=call.headers.get("if-none-match"),
        changes_at=changes_at,
    )
