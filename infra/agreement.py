"""What a plan must have in common with what the functions declare. Each check returns where the two differ."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from infra.gateway_checks import caches, limits, routes
from infra.plan import differences, service_of
from infra.trigger_checks import triggers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.plan import Json, Plan

PUBLIC_INGRESS: Final = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
PRIVATE_INGRESS: Final = "INGRESS_TRAFFIC_INTERNAL_ONLY"
SECRET: Final = re.compile(r"SECRET|TOKEN|API_KEY|SIGNING|PASSWORD")
TRACING: Final = ("roles/telemetry.tracesWriter", "project")
FORBIDDEN_ROLES: Final = {"roles/owner", "roles/editor", "roles/iam.serviceAccountTokenCreator"}


def services(plan: Plan) -> Iterator[str]:
    """Every function is one service, with its resources, its own account and its secrets by reference."""
    planned = plan.values("google_cloud_run_v2_service")
    yield from differences("services", planned, map(service_of, plan.functions))
    accounts = Counter(each["template"][0]["service_account"] for each in planned.values())
    yield from (f"{account} runs {count} services" for account, count in accounts.items() if count > 1)
    for name, declared in plan.functions.items():
        service = planned.get(service_of(name))
        if service is None:
            continue
        template = service["template"][0]
        container = template["containers"][0]
        found = {
            "memory_mb": container["resources"][0]["limits"]["memory"],
            "timeout_s": template["timeout"],
            "concurrency": template["max_instance_request_concurrency"],
            "min_instances": template["scaling"][0]["min_instance_count"],
            "max_instances": template["scaling"][0]["max_instance_count"],
        }
        wanted = {key: declared[key] for key in found}
        wanted |= {"memory_mb": f"{declared['memory_mb']}Mi", "timeout_s": f"{declared['timeout_s']}s"}
        if found != wanted:
            yield f"{name} has {found} instead of {wanted}"
        references = {each["name"] for each in container["env"] if each["value_source"]}
        yield from differences(f"secrets of {name}", references, declared["secrets"])
        plain = {each["name"] for each in container["env"] if not each["value_source"]}
        yield from (f"{name} has {each} as plain text" for each in plain if SECRET.search(each))


def invokers(plan: Plan) -> Iterator[str]:
    """One invoker each: everybody for a route, the platform's account for a trigger, and the ingress to match."""
    bindings: dict[str, list[str]] = {}
    for each in plan.all("google_cloud_run_v2_service_iam_member"):
        bindings.setdefault(each["values"]["name"], []).append(each["values"]["member"])
        if each["values"]["role"] != "roles/run.invoker":
            yield f"{each['address']} grants {each['values']['role']}"
    invoker = next(member for member, name in plan.accounts().items() if name == "invoker")
    planned = plan.values("google_cloud_run_v2_service")
    for name, declared in plan.functions.items():
        is_public = "route" in declared
        if is_public == ("trigger" in declared) or is_public != (declared["invoker"] == "public"):
            yield f"{name} has neither or both of route and trigger, or another invoker than they take"
        members = bindings.get(service_of(name), [])
        if members != ["allUsers" if is_public else invoker]:
            yield f"{name} may be called by {members}"
        ingress = planned.get(service_of(name), {}).get("ingress")
        if ingress != (PUBLIC_INGRESS if is_public else PRIVATE_INGRESS):
            yield f"{name} takes requests from {ingress}"
    for each in plan.resources:
        member = (each["values"] or {}).get("member")
        if (
            member in {"allUsers", "allAuthenticatedUsers"}
            and "iam_member" in each["type"]
            and (each["type"] != "google_cloud_run_v2_service_iam_member")
        ):
            yield f"{each['address']} is open to everybody"


def rights(plan: Plan) -> Iterator[str]:
    """The rights of each function are the rows of docs/roles.md, and to send spans where it does, and no others."""
    accounts = plan.accounts()
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in plan.functions}
    for each in plan.resources:
        if not each["type"].endswith(("_iam_member", "_iam_binding", "_iam_policy")):
            continue
        values = each["values"]
        if each["type"].endswith(("_binding", "_policy")) or values.get("role") in FORBIDDEN_ROLES:
            yield f"{each['address']} grants too much"
        name = accounts.get(values.get("member"))
        if name in found:
            found[name].add((values["role"].rpartition("/roles/")[2], _granted_on(each)))
    queues = {f"queue:{name}" for name in plan.values("google_cloud_tasks_queue")}
    for name, declared in plan.functions.items():
        wanted = {(grant["role"], grant["on"]) for grant in declared["grants"]}
        wanted |= {TRACING} if _setting(plan, name, "TRACES") == "on" else set()
        for role, on in [pair for pair in wanted if pair[1] == "queues"]:
            wanted = wanted - {(role, on)} | {(role, queue) for queue in queues}
        yield from differences(f"rights of {name}", found[name], wanted)


def _setting(plan: Plan, function: str, name: str) -> str | None:
    """The value of a variable of a function."""
    service = plan.values("google_cloud_run_v2_service").get(service_of(function), {"template": []})
    settings = (each for template in service["template"] for each in template["containers"][0]["env"])
    return next((str(each["value"]) for each in settings if each["name"] == name), None)


def _granted_on(binding: Json) -> str:
    """The resource of a binding, as the manifest names it."""
    values = binding["values"]
    match binding["type"]:
        case "google_project_iam_member":
            conditions = [each["expression"] for each in values["condition"]]
            return "database" if any("databases/(default)" in each for each in conditions) else "project"
        case "google_pubsub_topic_iam_member":
            return f"topic:{values['topic'].rpartition('/')[2]}"
        case "google_secret_manager_secret_iam_member":
            return f"secret:{values['secret_id']}"
        case "google_cloud_tasks_queue_iam_member":
            return f"queue:{values['name']}"
        case "google_service_account_iam_member":
            return str(values["service_account_id"]).rpartition("/")[2].partition("@")[0]
        case other:
            return str(other)


def database(plan: Plan) -> Iterator[str]:
    """Indexes, field settings and rules are those of the two files, and the database cannot be lost by mistake."""
    found = {
        (each["collection"], each["query_scope"], tuple(_planned_field(field) for field in each["fields"]))
        for each in (index["values"] for index in plan.all("google_firestore_index"))
    }
    wanted = {
        (each["collectionGroup"], each["queryScope"], tuple(_declared_field(field) for field in each["fields"]))
        for each in plan.indexes["indexes"]
    }
    yield from differences("indexes", found, wanted)
    fields = {
        (each["collection"], each["field"], bool(each["ttl_config"]))
        for each in (field["values"] for field in plan.all("google_firestore_field"))
    }
    overrides = plan.indexes["fieldOverrides"]
    declared = {(each["collectionGroup"], each["fieldPath"], each.get("ttl", False)) for each in overrides}
    yield from differences("field settings", fields, declared)
    ruleset = plan.all("google_firebaserules_ruleset")[0]["values"]
    if ruleset["source"][0]["files"][0]["content"] != plan.rules:
        yield "the rules are others than firestore.rules"
    kept = plan.all("google_firestore_database")[0]["values"]
    if "ENABLED" not in (kept["delete_protection_state"] or "").split("_"):
        yield "the database may be deleted"
    if not plan.all("google_firestore_backup_schedule"):
        yield "the database has no backups"


def _planned_field(field: Json) -> tuple[str, str]:
    return field["field_path"], str(field["order"] or field["array_config"] or "VECTOR")


def _declared_field(field: Json) -> tuple[str, str]:
    return field["fieldPath"], str(field.get("order") or field.get("arrayConfig") or "VECTOR")


def encryption(plan: Plan) -> Iterator[str]:
    """Secrets, and what people upload, are encrypted with keys of our own."""
    for name, secret in plan.values("google_secret_manager_secret", "secret_id").items():
        replicas = secret["replication"][0]["user_managed"][0]["replicas"]
        yield from (f"secret {name} has Google's key" for each in replicas if not each["customer_managed_encryption"])
    for name, bucket in plan.values("google_storage_bucket").items():
        if name.endswith(("-uploads", "-media")) and not bucket["encryption"]:
            yield f"bucket {name} has Google's key"


def metrics(plan: Plan) -> Iterator[str]:
    """Each number of the business has its metric, with its label or its currency, and every such metric is of one."""
    planned = plan.values("google_logging_metric")
    wanted = {f"marquee/kpi_{name}": kpi["label"] for name, kpi in plan.kpis.items()}
    wanted |= {
        f"marquee/kpi_{name}{of}": "currency"
        for name, kpi in plan.kpis.items()
        if kpi["has_amount"]
        for of in ("", "_amount")
    }
    found = {
        name: next(iter(each["label_extractors"] or {}), None)
        for name, each in planned.items()
        if name.startswith("marquee/kpi_")
    }
    yield from differences("metrics of the business", found.items(), wanted.items())
    for name in found.keys() & wanted.keys():
        kpi = name.removeprefix("marquee/kpi_").removesuffix("_amount")
        if f'jsonPayload.kpi="{kpi}"' not in planned[name]["filter"]:
            yield f"{name} counts {planned[name]['filter']}"


def buckets(plan: Plan) -> Iterator[str]:
    """No bucket can be opened to everybody, and each has one way of saying who may."""
    for name, each in plan.values("google_storage_bucket").items():
        if each["public_access_prevention"] != "enforced" or not each["uniform_bucket_level_access"]:
            yield f"bucket {name} may be opened"


CHECKS: Final[tuple[Callable[[Plan], Iterator[str]], ...]] = (
    services,
    invokers,
    rights,
    routes,
    caches,
    limits,
    triggers,
    database,
    buckets,
    encryption,
    metrics,
)


def disagreements(plan: Plan) -> list[str]:
    """Everything that the checks find."""
    return [f"{check.__name__}: {found}" for check in CHECKS for found in check(plan)]
