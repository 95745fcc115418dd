"""What the files of the deployment say, read without any terraform program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcl2
import pytest

from common.config import Config
from manifest.discover import discover
from manifest.reach import reach
from manifest.roles import WRITES, UnknownService, grants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.endpoint import EndpointSpec
    from common.trigger import TriggerSpec

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "terraform"
SOURCES = sorted(TERRAFORM.rglob("*.tf"))
FUNCTIONS: dict[str, Any] = json.loads((ROOT / "manifest.json").read_text())["functions"]
RUNBOOKS = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}
# These name an account or a key, and open nothing.
NO_SECRET = {"stripe_publishable_key", "razorpay_key_id", "retired_ticket_keys", "firebase_keys_url", "oidc_keys_url"}


def parsed(path: Path) -> dict[str, Any]:
    with path.open() as file:
        return dict(hcl2.load(file))


def declared(folder: Path, kind: str) -> dict[str, Any]:
    """The blocks of a kind in a folder's files, by name."""
    blocks = [block for path in folder.glob("*.tf") for block in parsed(path).get(kind, [])]
    return {name.strip('"'): body for block in blocks for name, body in block.items()}


def arguments(block: dict[str, Any]) -> set[str]:
    return {name for name in block if not name.startswith("__")}


def test_nobody_owns_or_edits_the_project() -> None:
    for path in SOURCES:
        assert not re.search(
            r"roles/(owner|editor)\"(?!, \")", path.read_text().replace('["roles/owner", "roles/editor"]', "")
        )


def test_everybody_is_let_in_at_one_place_and_only_to_public_functions() -> None:
    places = [line for path in SOURCES for line in path.read_text().splitlines() if "allUsers" in line]
    assert len(places) == 1
    assert 'each.value.invoker == "public" ? "allUsers" :' in places[0]
    assert not any("allAuthenticatedUsers" in path.read_text() for path in SOURCES)


def test_terraform_names_no_function_but_those_that_it_must() -> None:
    """Everything follows from the manifest; where a function is named all the same, it exists."""
    for path in (TERRAFORM / "environments").glob("*.tfvars"):
        assert arguments(parsed(path).get("warm_instances", {})) <= FUNCTIONS.keys()
    assert FUNCTIONS["list_ticket_keys"]["route"]["path"] == "/v1/ticket-keys"


def declared_locals(folder: Path) -> dict[str, Any]:
    blocks = [block for path in folder.glob("*.tf") for block in parsed(path).get("locals", [])]
    return {name: value for block in blocks for name, value in block.items()}


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_an_environment_sets_what_must_be_set_and_nothing_unknown(name: str) -> None:
    variables = declared(TERRAFORM, "variable")
    given = arguments(parsed(TERRAFORM / "environments" / f"{name}.tfvars"))
    assert given <= variables.keys()
    assert {each for each, body in variables.items() if "default" not in body} <= given
    assert parsed(TERRAFORM / "environments" / f"{name}.tfvars")["environment"].strip('"') == name


def test_production_loses_nothing_by_mistake() -> None:
    assert "deleted_on_destroy" not in parsed(TERRAFORM / "environments" / "prod.tfvars")
    assert declared(TERRAFORM, "variable")["deleted_on_destroy"]["default"] is False


def test_modules_get_what_they_ask_for() -> None:
    calls = declared(TERRAFORM, "module")
    assert {body["source"].strip('"') for body in calls.values()} == {
        f"./modules/{path.name}" for path in (TERRAFORM / "modules").iterdir()
    }
    for name, body in calls.items():
        variables = declared(TERRAFORM / body["source"].strip('"'), "variable")
        given = arguments(body) - {"source", "depends_on", "for_each", "count"}
        assert given == variables.keys(), name


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    alerts = arguments(declared_locals(TERRAFORM / "modules/observability")["alerts"])
    assert {name.strip('"') for name in alerts} | {"budget"} == RUNBOOKS


def test_runbooks_say_what_to_do_and_link_to_what_is_there() -> None:
    for path in (ROOT / "docs" / "runbooks").glob("*.md"):
        text = path.read_text()
        assert "## What to do" in text
        for target in re.findall(r"\]\(([^)#:]+)", text):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_secrets_of_the_configuration_are_secrets_of_functions() -> None:
    secretive = {name for name in Config.__dataclass_fields__ if re.search(r"secret|key|token", name)}
    named = {secret.lower() for each in FUNCTIONS.values() for secret in each["secrets"]}
    assert secretive - NO_SECRET == named


def test_who_calls_any_provider_holds_the_keys_of_all() -> None:
    """In the cloud a function has the secrets that it declares: with one too few it works everywhere but there."""
    keys = {"STRIPE_SECRET_KEY", "RAZORPAY_KEY_SECRET", "PAYSTACK_SECRET_KEY"}
    found = {}
    for name, each in FUNCTIONS.items():
        reached_by_it = reach(each["source"].removesuffix(".py").replace("/", "."), name).symbols
        if ("common.payments.providers", "gateway") in reached_by_it and each["access"] != "provider_signature":
            found[name] = keys - set(each["secrets"])
    assert {"checkout_order", "confirm_order", "settle_payment", "execute_refund", "reconcile_payments"} <= found.keys()
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_the_first_deployment_gives_every_secret_a_value() -> None:
    steps = (ROOT / "docs" / "deploy.md").read_text()
    missing = {
        secret for each in FUNCTIONS.values() for secret in each["secrets"] if not re.search(rf"\b{secret}\b", steps)
    }
    assert missing == set()


def test_the_pipeline_has_no_keys_and_its_canary_takes_the_steps_in_order() -> None:
    pipeline = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    assert "credentials_json" not in pipeline
    assert pipeline.count("id-token: write") == 2
    steps = re.findall(r"infra\.canary (\w+)", pipeline)
    assert steps == ["pin", "split", "watch", "split", "watch", "promote", "back"]
    assert pipeline.index("canary pin") < pipeline.rindex("- *apply") < pipeline.index("canary split 5")


def test_what_ends_by_itself_is_what_the_code_gives_an_end() -> None:
    """A collection whose documents carry `expireAt` has a policy that deletes them, and no other has."""
    overrides = json.loads((ROOT / "firestore.indexes.json").read_text())["fieldOverrides"]
    ending = {each["collectionGroup"] for each in overrides if each.get("ttl")}
    assert all(each["fieldPath"] == "expireAt" and each["indexes"] == [] for each in overrides if each.get("ttl"))
    writers = [path for path in _code() if re.search(r"\"expireAt\"|\bexpire_at\b", path.read_text())]
    found = {name for name in ending if any(re.search(rf"\b{name}\b", path.read_text()) for path in writers)}
    assert found == ending
    for path in writers:
        assert any(re.search(rf"\b{name}\b", path.read_text()) for name in ending), f"{path} ends documents of none"


def test_who_holds_every_listing_in_memory_has_the_memory_for_it() -> None:
    """100 000 events take 275 MB, and 600 MB while they are loaded (decision 12): beside Python and a request."""
    for name, each in FUNCTIONS.items():
        reached_by_it = reach(each["source"].removesuffix(".py").replace("/", "."), name).symbols
        if ("common.listings.index", "current") in reached_by_it:
            assert each["memory_mb"] >= 1024, name


def test_test_phones_never_reach_production() -> None:
    call = declared(TERRAFORM, "module")["sign_in"]["test_phones"]
    assert 'var.environment == "prod" ? {}' in call


def _code() -> Iterator[Path]:
    for folder in ("common", "functions", "triggers"):
        yield from (ROOT / folder).rglob("*.py")


def test_who_may_only_read_has_never_been_seen_to_write() -> None:
    """The rights come from reading the code; what was counted while it ran must agree."""
    rows = re.findall(
        r"^\| `(\w+)` \|[^|]+\|[^|]+\|[^|]+\| (\d+) \| (\d+) \|", (ROOT / "docs/costs.md").read_text(), re.M
    )
    assert len(rows) > 40
    for name, writes, deletes in rows:
        held = {grant["role"] for grant in FUNCTIONS.get(name, {"grants": []})["grants"]}
        if "roles/datastore.viewer" in held:
            assert (writes, deletes) == ("0", "0"), name


def test_rights_follow_the_code() -> None:
    """One of each kind, known from reading them; docs/roles.md has all."""
    manifest = discover()
    specs: dict[str, EndpointSpec | TriggerSpec] = {spec.name: spec for spec in manifest.endpoints}
    specs |= {spec.name: spec for spec in manifest.triggers}
    held = {name: {(grant.role, grant.on) for grant in grants(specs[name])} for name in specs}
    assert held["get_event"] == {("roles/datastore.viewer", "database")}
    assert held["list_ticket_keys"] == {("roles/secretmanager.secretAccessor", "secret:TICKET_SIGNING_KEY")}
    assert ("marqueeSignOut", "project") in held["end_session"]
    assert ("marqueePush", "project") in held["notify"]
    relaying = {("roles/cloudtasks.enqueuer", "queues"), ("roles/pubsub.publisher", "topic:domain-events")}
    assert {name for name, rights in held.items() if relaying <= rights} == {"relay_outbox", "sweep_outbox"}
    # Those that keep replies write them, whatever else they do.
    assert ("roles/datastore.user", "database") in held["create_event"]


def test_control_a_reader_that_learns_to_write_gets_the_right_to(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = next(spec for spec in discover().endpoints if spec.name == "get_event")
    assert "get" not in WRITES
    monkeypatch.setattr("manifest.roles.WRITES", {*WRITES, "get"})
    assert [grant.role for grant in grants(spec)] == ["roles/datastore.user"]


def test_control_a_service_without_a_rule_is_no_right_but_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = next(spec for spec in discover().triggers if spec.name == "relay_outbox")
    known = tuple(name for name in _known() if name != "google.cloud.tasks_v2")
    monkeypatch.setattr("manifest.roles.KNOWN_LIBRARIES", known)
    with pytest.raises(UnknownService, match=r"relay_outbox comes to google\.cloud\.tasks_v2"):
        grants(spec)


def _known() -> tuple[str, ...]:
    from manifest.roles import KNOWN_LIBRARIES

    return KNOWN_LIBRARIES
