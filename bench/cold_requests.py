"""For each function one usual request, taken from the scenarios of tests/costs before it is sent."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import httpx

from bench.cold_process import ColdStartFailed, Request
from common import clients
from common.config import config
from common.endpoint import EndpointSpec
from tests.costs.scenarios import SCENARIOS
from tests.costs.shop import Shop, StandIns, provider_keys
from tests.emulators.served import Receiver
from tests.support.people import Person, SigningKeys
from tests.support.server import AnswerThread, GatewayThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from common.trigger import TriggerSpec
    from tests.costs.scenario import Act


class Caught(Exception):
    """What a scenario was about to send to the function that it is of."""

    def __init__(self, request: httpx.Request) -> None:
        super().__init__(str(request.url))
        headers = {name: value for name, value in request.headers.items() if name not in {"host", "connection"}}
        self.request = Request(request.method, request.url.raw_path.decode(), headers, request.read())


class Catcher:
    """A client's hook that lets everything through but, while it is catching, the calls of one function."""

    def __init__(self, spec: EndpointSpec | TriggerSpec) -> None:
        self._spec, self._catching = spec, False

    def __call__(self, request: httpx.Request) -> None:
        if self._catching and self._is_meant(request):
            raise Caught(request)

    def _is_meant(self, request: httpx.Request) -> bool:
        if isinstance(self._spec, EndpointSpec):
            return request.method in self._spec.methods and self._spec.pattern.match(request.url.path) is not None
        return request.url.path == f"/triggers/{self._spec.name}"

    def request_of(self, act: Act) -> Request:
        """The request that `act` makes."""
        self._catching = True
        try:
            act()
        except Caught as caught:
            return caught.request
        finally:
            self._catching = False
        raise ColdStartFailed(f"its scenario did not call {self._spec.name}")


class Requests:
    """Everything that the scenarios need beside the emulators. The environment says where it is."""

    def __init__(self) -> None:
        self._stack, self._keys = ExitStack(), SigningKeys()

    def __enter__(self) -> Self:
        self._stand_ins = StandIns()
        self._stack.callback(self._stand_ins.close)
        self._receiver = self._stack.enter_context(Receiver())
        keys = {"keys": self._keys.jwks()["keys"] + self._stand_ins.identity.jwks()["keys"]}
        body = json.dumps(keys).encode()
        served = AnswerThread(lambda _: (200, body, {"Cache-Control": "public, max-age=3600"}))
        self._stack.callback(served.stop)
        self._gateway = GatewayThread()
        self._gateway.start()
        self._stack.callback(self._gateway.stop)
        os.environ.update(self._stand_ins.environment)
        os.environ.update({"FIREBASE_KEYS_URL": served.url, "OIDC_KEYS_URL": served.url})
        os.environ["TRIGGER_URL_TEMPLATE"] = self._gateway.url + "/triggers/{name}"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def of(self, spec: EndpointSpec | TriggerSpec) -> Iterator[Callable[[], Request]]:
        """In a project of its own: prepares one more call each time, and returns its request."""
        os.environ.update({"GOOGLE_CLOUD_PROJECT": f"demo-cold-{uuid4().hex[:8]}"} | provider_keys())
        config.cache_clear()
        catcher = Catcher(spec)
        hooks: dict[str, list[Callable[..., Any]]] = {"request": [catcher]}
        with httpx.Client(base_url=self._gateway.url, timeout=60, trust_env=False, event_hooks=hooks) as client:

            def sign_in(name: str = "someone", **claims: object) -> Person:
                user_id = f"{name}-{uuid4().hex[:8]}"
                return Person(user_id, self._keys.token(config().project, user_id, **claims), client)

            shop = Shop(self._gateway, self._stand_ins, self._receiver, sign_in, client)
            prepare = SCENARIOS[spec.name](shop)
            yield lambda: catcher.request_of(prepare())
        self._gateway.wait_idle()
        self._gateway.run(clients.close())
