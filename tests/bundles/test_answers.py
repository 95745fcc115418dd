"""Every bundle, alone in an environment with its own packages only, starts and makes the function's usual call."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from common.access import SignIn as SignInKind
from common.config import config
from common.trigger import DocumentCreated, PubSub, Schedule, Task
from manifest.discover import discover
from tests.bundles.alone import FRAMEWORK, DidNotBoot, as_deployed, running, unpack
from tests.costs.scenarios import SCENARIOS
from tests.costs.shop import Shop, StandIns, provider_keys
from tests.emulators.served import Receiver
from tests.support.people import accepted, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.bundles.alone import Unpacked
    from tests.conftest import SignIn
    from tests.costs.scenario import Act
    from tests.support.server import GatewayThread

ALL: Final = os.environ.get("MARQUEE_BUNDLES") == "all"
# One of every kind; `make bundles-all` takes all functions.
SAMPLE: Final = {
    "list_genres": "a public reply from a file of ours",
    "create_order": "a signed-in write",
    "show_event_page": "a page from templates",
    "search_all": "a search, with the words that mean something",
    "receive_stripe_webhook": "a provider's webhook",
    "settle_payment": "a task",
    "notify": "a Pub/Sub push",
    "relay_outbox": "a created document",
    "audit_invariants": "a schedule",
}
# Executes every import of every file in a bundle, those in functions too, but for what only a type checker sees.
IMPORT_ALL: Final = """
import ast, pathlib, sys
sys.path.append(".")
for path in pathlib.Path(".").rglob("*.py"):
    tree = ast.parse(path.read_text())
    unseen = {id(each) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
              for line in node.body for each in ast.walk(line)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in unseen:
            exec(compile(ast.Module([node], []), path, "exec"), {})
"""


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[StandIns]:
    running = StandIns()
    yield running
    running.close()


@pytest.fixture
def shop(
    gateway: GatewayThread,
    stand_ins: StandIns,
    anonymous: httpx.Client,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    for name, value in (stand_ins.environment | provider_keys()).items():
        monkeypatch.setenv(name, value)
    config.cache_clear()
    with Receiver() as receiver:
        yield Shop(gateway, stand_ins, receiver, sign_in, anonymous)


def usual_call(shop: Shop, name: str) -> Act:
    """One that the rest of the product, which runs at the gateway, has prepared, with everybody who may take part."""
    assert shop.host and shop.buyer and shop.admin
    return SCENARIOS[name](shop)()


def made_alone(shop: Shop, call: Act, bundle: Unpacked) -> httpx.Response:
    """The call, answered by the bundle."""
    at_the_gateway = shop.http.base_url
    with running(bundle) as url:
        shop.http.base_url = url
        try:
            return call()
        finally:
            shop.http.base_url = at_the_gateway


@pytest.mark.parametrize("name", sorted(SCENARIOS) if ALL else SAMPLE)
def test_a_bundle_makes_the_usual_call_alone(shop: Shop, tmp_path: Path, name: str) -> None:
    bundle = unpack(name, tmp_path / "bundle")
    accepted(made_alone(shop, usual_call(shop, name), bundle))


@pytest.mark.parametrize("name", sorted(SCENARIOS) if ALL else ["settle_payment"])
def test_a_bundle_has_whatever_it_imports(tmp_path: Path, name: str) -> None:
    assert import_all(unpack(name, tmp_path)) == ""


def import_all(bundle: Unpacked) -> str:
    """What goes wrong."""
    command = [str(bundle.python()), "-I", "-W", "ignore", "-c", IMPORT_ALL]
    done = subprocess.run(command, cwd=bundle.folder, env={}, capture_output=True, text=True, check=False)
    assert bool(done.stderr) == bool(done.returncode), done.stderr
    return done.stderr


@pytest.mark.parametrize("start", [as_deployed(), FRAMEWORK], ids=["as deployed", "functions-framework"])
def test_a_bundle_refuses_as_the_gateway_does(
    project: str, anonymous: httpx.Client, tmp_path: Path, start: tuple[str, ...]
) -> None:
    with running(unpack("create_order", tmp_path / "bundle"), start) as url:
        anonymous.base_url = url
        refused(anonymous.post("/v1/orders"), 401, "unauthenticated")
        refused(anonymous.get("/v1/orders"), 405, "method_not_allowed")
        refused(anonymous.post("/v1/genres"), 404, "not_found")
    with running(unpack("settle_payment", tmp_path / "private"), start) as url:
        anonymous.base_url = url
        refused(anonymous.post("/"), 401, "unauthenticated")


def test_the_sample_has_every_kind_of_function() -> None:
    manifest = discover()
    triggers = {type(spec.source) for spec in manifest.triggers if spec.name in SAMPLE}
    assert triggers == {PubSub, DocumentCreated, Task, Schedule} == {type(spec.source) for spec in manifest.triggers}
    assert {spec.access.sign_in for spec in manifest.endpoints if spec.name in SAMPLE} == set(SignInKind)
    forms = {spec.media_type for spec in manifest.endpoints if spec.name in SAMPLE}
    assert forms >= {"application/json", "text/html"}


@pytest.mark.parametrize(("missing", "says"), [("common/orders/store.py", "'store'"), ("main.py", "'main'")])
def test_control_a_bundle_without_one_file_does_not_boot(project: str, tmp_path: Path, missing: str, says: str) -> None:
    bundle = unpack("create_order", tmp_path / "bundle")
    (bundle.folder / missing).unlink()
    with pytest.raises(DidNotBoot, match=says), running(bundle):
        pass


def test_control_a_bundle_without_its_data_answers_nothing(shop: Shop, tmp_path: Path) -> None:
    call = usual_call(shop, "search_all")
    bundle = unpack("search_all", tmp_path / "bundle")
    (bundle.folder / "common/search/query_words.json").unlink()
    refused(made_alone(shop, call, bundle), 500, "internal_error")


def test_control_a_bundle_without_one_package_lacks_an_import(tmp_path: Path) -> None:
    bundle = unpack("list_genres", tmp_path)
    # The packages of another bundle.
    (tmp_path / "common" / "late.py").write_text("def late() -> None:\n    import razorpay\n")
    assert "No module named 'razorpay'" in import_all(bundle)
