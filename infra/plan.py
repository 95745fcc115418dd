"""What Terraform would create, beside the files that it must agree with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.offline import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]


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


def beside_the_repository(resources: list[Json]) -> Plan:
    """These resources, beside what the repository declares."""
    return Plan(
        resources,
        **json.loads((ROOT / "manifest.json").read_text()),
        indexes=json.loads((ROOT / "firestore.indexes.json").read_text()),
        rules=(ROOT / "firestore.rules").read_text(),
    )


def service_of(name: str) -> str:
    return name.replace("_", "-")


def differences(what: str, found: Iterable[object], wanted: Iterable[object]) -> Iterator[str]:
    """What is missing and what is too much."""
    has, needs = set(found), set(wanted)
    if missing := needs - has:
        yield f"{what}: missing {sorted(map(str, missing))}"
    if surplus := has - needs:
        yield f"{what}: nobody declared {sorted(map(str, surplus))}"
