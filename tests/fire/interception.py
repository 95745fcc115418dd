"""Puts the harness between the functions and everything remote, at the lowest place that all their calls pass."""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final

import pytest
from google.api_core.exceptions import DeadlineExceeded, ServiceUnavailable
from google.cloud.firestore_v1.services.firestore.async_client import FirestoreAsyncClient
from google.cloud.firestore_v1.types import (
    BatchGetDocumentsRequest,
    CommitRequest,
    RunAggregationQueryRequest,
    RunQueryRequest,
    StructuredQuery,
)

from common import clients, messaging, rest
from common.payments import providers, stripe_transport
from common.payments.gateways import GatewayUnavailable
from tests.fire.faults import Kind, RemoteCall, created_by, label_of_writes
from tests.fire.platform import Publisher, Tasks
from tests.fire.process import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from common.config import Config
    from common.payments.gateways import Gateway, GatewayName

# These look only; every other call to a provider may move money.
PROVIDER_READS: Final = frozenset({"order_of", "facts_of"})


@contextmanager
def intercepted() -> Iterator[None]:
    """Until the end, remote calls go through the process that makes them."""
    assert stripe_transport  # it has the HTTP getter under a name of its own, which must be found below
    with pytest.MonkeyPatch.context() as patch:
        _replace_getters(patch)
        patch.setattr(FirestoreAsyncClient, "commit", _commit(FirestoreAsyncClient.commit))
        patch.setattr(FirestoreAsyncClient, "begin_transaction", _begin(FirestoreAsyncClient.begin_transaction))
        patch.setattr(FirestoreAsyncClient, "rollback", _rollback(FirestoreAsyncClient.rollback))
        for name, what in READS.items():
            patch.setattr(FirestoreAsyncClient, name, _read(getattr(FirestoreAsyncClient, name), what))
        patch.setattr(providers, "_opened", partial(_watched_gateway, providers._opened))
        yield


def _replace_getters(patch: pytest.MonkeyPatch) -> None:
    """Wherever a client's getter was imported to, the process's own client is found instead."""
    tasks, publisher = Tasks(), Publisher()
    own: dict[Callable[[], Any], Callable[[], Any]] = {
        clients.firestore: lambda: current().firestore(),
        rest.http: lambda: current().http(),
        messaging.tasks: lambda: tasks,
        messaging.publisher: lambda: publisher,
    }
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "common"]
    for original, getter in own.items():
        for module in modules:
            for attribute, value in list(vars(module).items()):
                if value is original:
                    patch.setattr(module, attribute, getter)


def firestore_call(kind: Kind, label: str, transaction: bytes = b"") -> RemoteCall:
    """A call to Firestore with the errors of its library."""
    return RemoteCall(
        kind,
        label,
        lambda: ServiceUnavailable("injected"),
        lambda: DeadlineExceeded("injected"),
        transaction,
    )


def _commit(original: Callable[..., Any]) -> Callable[..., Any]:
    """Batches, single writes and transactions all end in this call."""

    @wraps(original)
    async def commit(self: FirestoreAsyncClient, request: Any = None, **more: Any) -> Any:
        asked, process = CommitRequest(request), current()
        call = firestore_call(Kind.COMMIT, label_of_writes(asked.writes), asked.transaction)

        async def perform() -> Any:
            reply = await original(self, request=request, **more)
            process.ended(asked.transaction)
            process.platform.created(created_by(asked.writes))
            return reply

        return await process.cross(call, perform)

    return commit


def _begin(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def begin(self: FirestoreAsyncClient, request: Any = None, **more: Any) -> Any:
        process = current()
        call = firestore_call(Kind.READ, "begin transaction")
        reply = await process.cross(call, partial(original, self, request=request, **more))
        process.began(reply.transaction)
        return reply

    return begin


def _rollback(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def rollback(self: FirestoreAsyncClient, request: Any = None, **more: Any) -> Any:
        process = current()
        call = firestore_call(Kind.READ, "roll back")
        reply = await process.cross(call, partial(original, self, request=request, **more))
        process.ended(request["transaction"])
        return reply

    return rollback


def _read(original: Callable[..., Any], what: Callable[[Any], str]) -> Callable[..., Any]:
    @wraps(original)
    async def read(self: FirestoreAsyncClient, request: Any = None, **more: Any) -> Any:
        call = firestore_call(Kind.READ, what(request))
        return await current().cross(call, partial(original, self, request=request, **more))

    return read


def _documents(request: Any) -> str:
    collections = {path.rsplit("/", 2)[-2] for path in BatchGetDocumentsRequest(request).documents}
    return f"get {', '.join(sorted(collections))}"


def _query(request: Any) -> str:
    return f"query {_source(RunQueryRequest(request).structured_query)}"


def _count(request: Any) -> str:
    return f"count {_source(RunAggregationQueryRequest(request).structured_aggregation_query.structured_query)}"


def _source(query: StructuredQuery) -> str:
    return ", ".join(source.collection_id for source in query.from_)


READS: Final = {"batch_get_documents": _documents, "run_query": _query, "run_aggregation_query": _count}


def _watched_gateway(opened: Callable[[GatewayName, Config], Gateway], name: GatewayName, configuration: Config) -> Any:
    return WatchedGateway(opened(name, configuration))


class WatchedGateway:
    """A payment provider whose calls are points. What is no call, such as reading a webhook, passes through."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._gateway, name)
        if not inspect.iscoroutinefunction(member):
            return member
        kind = Kind.READ if name in PROVIDER_READS else Kind.PROVIDER

        async def watched(*arguments: Any, **options: Any) -> Any:
            lost = GatewayUnavailable("injected: no answer")
            call = RemoteCall(kind, name, lambda: GatewayUnavailable("injected"), lambda: lost)
            return await current().cross(call, partial(member, *arguments, **options))

        return watched
