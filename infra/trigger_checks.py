"""Each private function is called by what it declares: checks of queues, subscriptions, jobs and document events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.plan import differences, service_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.plan import Json, Plan


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
    yield from differences(
        "schedules", jobs.items(), ((service_of(name), each["cron"]) for name, each in schedules.items())
    )
    documents = {
        (each["name"], criterion["value"])
        for each in plan.values("google_eventarc_trigger").values()
        for criterion in each["matching_criteria"]
        if criterion["attribute"] == "document"
    }
    wanted = {(service_of(name), each["document"]) for name, each in by_kind.pop("DocumentCreated", {}).items()}
    yield from differences("document triggers", documents, wanted)
    yield from (f"nothing calls functions of the kind {kind}" for kind in by_kind)


def _tasks(plan: Plan, declared: Json) -> Iterator[str]:
    planned = plan.values("google_cloud_tasks_queue")
    yield from differences("queues", planned, (each["queue"] for each in declared.values()))
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
    yield from differences("subscriptions", subscriptions, [*map(service_of, declared), "dead-letters"])
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
