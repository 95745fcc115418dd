"""What a plan must have in common with what the functions declare. Each check returns where the two differ."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.routing import reached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Json = dict[str, Any]

PUBLIC_INGRESS: Final = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
PRIVATE_INGRESS: Final = "INGRESS_TRAFFIC_INTERNAL_ONLY"
SECRET: Final = re.compile(r"SECRET|TOKEN|API_KEY|SIGNING|PASSWORD")
TRACING: Final = ("roles/telemetry.tracesWriter", "project")
FORBIDDEN_ROLES: Final = {"roles/owner", "roles/editor", "roles/iam.serviceAccountTokenCreator"}


@dataclass(frozen=True)
class Plan:
    """The resources that Terraform would create, beside the files that they must agree with."""

    resources: list[Json]
    functions: Json
    kpis: Json
    indexes: Json
    rules: str

    def all(self, type_: str) -> list[Json]:
        return [each for each in self.resources if each["type"] == type_]

    def values(self, type_: str, key: str = "name") -> dict[str, Json]:
        """The resources of a type by one of their attributes."""
        return {each["values"][key]: each["values"] for each in self.all(type_)}

    def accounts(self) -> dict[str, str]:
        """The function of each service account, by the account's member name."""
        project = next(each["values"]["project"] for each in self.all("google_project_iam_member"))
        return {
            f"serviceAccount:{each['values']['account_id']}@{project}.iam.gserviceaccount.com": str(
                each.get("index") or each["values"]["account_id"]
            )
            for each in self.all("google_service_account")
        }


def service_of(name: str) -> str:
    return name.replace("_", "-")


def services(plan: Plan) -> Iterator[str]:
    """Every function is one service, with its resources, its own account and its secrets by reference."""
    planned = plan.values("google_cloud_run_v2_service")
    yield from _differences("services", planned, map(service_of, plan.functions))
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
        yield from _differences(f"secrets of {name}", references, declared["secrets"])
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
        yield from _differences(f"rights of {name}", found[name], wanted)


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


def routes(plan: Plan) -> Iterator[str]:
    """Each route reaches its own function, also when a browser asks before; public reads may be cached, others not."""
    maps = plan.values("google_compute_url_map")
    backends = plan.values("google_compute_backend_service")
    public = {name: each for name, each in plan.functions.items() if "route" in each}
    yield from _differences("backends", backends, map(service_of, public))
    rules = maps["marquee"]["path_matcher"][0]["route_rules"]
    priorities = Counter(rule["priority"] for rule in rules)
    yield from (f"priority {each} is given {count} times" for each, count in priorities.items() if count > 1)
    for name, declared in public.items():
        method, path = declared["route"]["method"], re.sub(r"\{\w+\}", "some-id_1", declared["route"]["path"])
        for asked in ({":method": method}, {":method": "OPTIONS", "access-control-request-method": method}):
            target = reached(rules, path, asked)
            if target != service_of(name):
                yield f"{asked} {path} reaches {target} instead of {name}"
        backend = backends.get(service_of(name), {})
        cached = declared["access"] == "public" and method == "GET"
        if backend.get("enable_cdn") != cached:
            yield f"{name} is cached: {backend.get('enable_cdn')}"
        if not backend.get("security_policy"):
            yield f"{name} has no rate rules"


def triggers(plan: Plan) -> Iterator[str]:
    """Each private function is called by what it declares, as it declares it, in the invoker's name."""
    by_kind: dict[str, dict[str, Json]] = {}
    for name, declared in plan.functions.items():
        if "trigger" in declared:
            by_kind.setdefault(declared["trigger"]["kind"], {})[name] = declared["trigger"]
    yield from _tasks(plan, by_kind.pop("Task", {}))
    yield from _pushes(plan, by_kind.pop("PubSub", {}))
    jobs = {each["name"]: each["schedule"] for each in plan.values("google_cloud_scheduler_job").values()}
    schedules = by_kind.pop("Schedule", {})
    yield from _differences(
        "schedules", jobs.items(), ((service_of(name), each["cron"]) for name, each in schedules.items())
    )
    documents = {
        (each["name"], criterion["value"])
        for each in plan.values("google_eventarc_trigger").values()
        for criterion in each["matching_criteria"]
        if criterion["attribute"] == "document"
    }
    wanted = {(service_of(name), each["document"]) for name, each in by_kind.pop("DocumentCreated", {}).items()}
    yield from _differences("document triggers", documents, wanted)
    yield from (f"nothing calls functions of the kind {kind}" for kind in by_kind)


def _tasks(plan: Plan, declared: Json) -> Iterator[str]:
    planned = plan.values("google_cloud_tasks_queue")
    yield from _differences("queues", planned, (each["queue"] for each in declared.values()))
    for each in declared.values():
        queue = planned.get(each["queue"], {"rate_limits": [{}], "retry_config": [{}]})
        found = queue["rate_limits"][0] | queue["retry_config"][0]
        wanted = {key: each[key] for key in ("max_dispatches_per_second", "max_concurrent_dispatches", "max_attempts")}
        wanted |= {f"{key}_backoff": f"{each[f'{key}_backoff_s']}s" for key in ("min", "max")}
        if any(found.get(key) != value for key, value in wanted.items()):
            yield f"queue {each['queue']} has {found} instead of {wanted}"


def _pushes(plan: Plan, declared: Json) -> Iterator[str]:
    subscriptions = plan.values("google_pubsub_subscription")
    topics = plan.values("google_pubsub_topic")
    if subscriptions.get("dead-letters", {}).get("topic") != "dead-letters":
        yield "dead letters are not kept"
    yield from _differences("subscriptions", subscriptions, [*map(service_of, declared), "dead-letters"])
    for name, each in declared.items():
        push = subscriptions.get(service_of(name))
        if push is None:
            continue
        if each["topic"] not in topics or push["topic"].rpartition("/")[2] != each["topic"]:
            yield f"{name} listens to {push['topic']}"
        dead = (push["dead_letter_policy"] or [{}])[0]
        if dead.get("max_delivery_attempts") != each["max_delivery_attempts"] or not dead.get(
            "dead_letter_topic", ""
        ).endswith("/dead-letters"):
            yield f"{name} gives up after {dead}"
        target = push["push_config"][0]
        if not target["push_endpoint"].startswith(f"https://{service_of(name)}-"):
            yield f"{name} is pushed to {target['push_endpoint']}"
        if not (target["oidc_token"] or [{}])[0].get("service_account_email", "").startswith("invoker@"):
            yield f"{name} is pushed to by nobody known"


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
    yield from _differences("indexes", found, wanted)
    fields = {
        (each["collection"], each["field"], bool(each["ttl_config"]))
        for each in (field["values"] for field in plan.all("google_firestore_field"))
    }
    overrides = plan.indexes["fieldOverrides"]
    declared = {(each["collectionGroup"], each["fieldPath"], each.get("ttl", False)) for each in overrides}
    yield from _differences("field settings", fields, declared)
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
    yield from _differences("metrics of the business", found.items(), wanted.items())
    for name in found.keys() & wanted.keys():
        kpi = name.removeprefix("marquee/kpi_").removesuffix("_amount")
        if f'jsonPayload.kpi="{kpi}"' not in planned[name]["filter"]:
            yield f"{name} counts {planned[name]['filter']}"


def buckets(plan: Plan) -> Iterator[str]:
    """No bucket can be opened to everybody, and each has one way of saying who may."""
    for name, each in plan.values("google_storage_bucket").items():
        if each["public_access_prevention"] != "enforced" or not each["uniform_bucket_level_access"]:
            yield f"bucket {name} may be opened"


def _differences(what: str, found: Iterable[object], wanted: Iterable[object]) -> Iterator[str]:
    has, needs = set(found), set(wanted)
    if missing := needs - has:
        yield f"{what}: missing {sorted(map(str, missing))}"
    if surplus := has - needs:
        yield f"{what}: nobody declared {sorted(map(str, surplus))}"


CHECKS: Final[tuple[Callable[[Plan], Iterator[str]], ...]] = (
    services,
    invokers,
    rights,
    routes,
    triggers,
    database,
    buckets,
    metrics,
)


def disagreements(plan: Plan) -> list[str]:
    """Everything that the checks find."""
    return [f"{check.__name__}: {found}" for check in CHECKS for found in check(plan)]
