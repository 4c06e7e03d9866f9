"""Versions and update policy of a managed instance group (docs/reference/compute-engine.md#group-update-policy)."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.bodies import accept, accept_list, one_of
from dualstack_sim.compute.api.errors import Json, invalid, required
from dualstack_sim.compute.api.references import GLOBAL
from dualstack_sim.compute.project.project import Project
from dualstack_sim.rules import enforced

POLICY: dict[str, type] = {
    "type": str, "instanceRedistributionType": str, "minimalAction": str, "mostDisruptiveAllowedAction": str,
    "maxSurge": dict, "maxUnavailable": dict, "replacementMethod": str, "minReadySec": int,
}  # fmt: skip
_ACTIONS = ("NONE", "REFRESH", "RESTART", "REPLACE")
_AMOUNT: dict[str, type] = {"fixed": int, "percent": int, "calculated": int}
_DEFAULTS: Json = {
    "type": "OPPORTUNISTIC",
    "minimalAction": "REPLACE",
    "mostDisruptiveAllowedAction": "REPLACE",
    "maxSurge": {"fixed": 1},
    "maxUnavailable": {"fixed": 1},
    "replacementMethod": "SUBSTITUTE",
}


def read_policy(current: Json, wanted: Json, size: int) -> Json:
    """The policy after merging `wanted` into `current`, with the calculated amounts for `size` VMs."""
    where = "resource.updatePolicy"
    policy = _DEFAULTS | current | accept(wanted, POLICY, where)
    one_of(policy["type"], ("OPPORTUNISTIC", "PROACTIVE"), f"{where}.type")
    one_of(policy["minimalAction"], _ACTIONS, f"{where}.minimalAction")
    one_of(policy["mostDisruptiveAllowedAction"], _ACTIONS, f"{where}.mostDisruptiveAllowedAction")
    one_of(policy["replacementMethod"], ("SUBSTITUTE", "RECREATE"), f"{where}.replacementMethod")
    for field in ("maxSurge", "maxUnavailable"):
        policy[field] = amount(policy[field], size, f"{where}.{field}", up=field == "maxSurge")
    surge, unavailable = policy["maxSurge"]["calculated"], policy["maxUnavailable"]["calculated"]
    if policy["replacementMethod"] == "RECREATE" and surge and enforced("groups.recreate-without-surge"):
        why = "maxSurge must be 0 when the replacement method is RECREATE."
        raise invalid(f"{where}.maxSurge", surge, why)
    if size and not surge and not unavailable and enforced("groups.some-leeway"):
        why = "maxUnavailable must be greater than 0 when maxSurge is 0."
        raise invalid(f"{where}.maxUnavailable", unavailable, why)
    return policy


def amount(value: Json, size: int, where: str, *, up: bool) -> Json:
    """A fixed number or a percentage of the group, with the calculated number."""
    given = {name: number for name, number in accept(value, _AMOUNT, where).items() if name != "calculated"}
    if len(given) != 1 or min(given.values()) < 0:
        raise invalid(where, "", "Exactly one of fixed and percent must be specified, not negative.")
    if "percent" not in given:
        return given | {"calculated": given["fixed"]}
    exact = given["percent"] * size
    return given | {"calculated": -(-exact // 100) if up else exact // 100}


def read_versions(project: Project, value: list[Any], size: int) -> list[Json]:
    """The checked versions with full template links; exactly one version has no target size."""
    entries = accept_list(value, {"name": str, "instanceTemplate": str, "targetSize": dict}, "resource.versions")
    if not 1 <= len(entries) <= 2:
        raise invalid("resource.versions", "", "One or two versions must be specified.")
    open_ended = [index for index, entry in enumerate(entries) if not entry.get("targetSize")]
    if len(open_ended) > 1 or (len(entries) == 2 and not open_ended):
        raise invalid("resource.versions", "", "Exactly one version must be without targetSize.")
    versions: list[Json] = []
    for index, entry in enumerate(entries):
        where = f"resource.versions[{index}]"
        template = project.links.full(require_template(project, entry.get("instanceTemplate"), where))
        version: Json = {"name": entry["name"]} if entry.get("name") else {}
        version["instanceTemplate"] = template
        if entry.get("targetSize"):
            version["targetSize"] = amount(entry["targetSize"], size, f"{where}.targetSize", up=True)
        versions.append(version)
    bounded = sum(version["targetSize"]["calculated"] for version in versions if "targetSize" in version)
    for version in versions:
        version.setdefault("targetSize", {"calculated": max(0, size - bounded)})
    return versions


def require_template(project: Project, text: Any, where: str) -> Any:
    """The key of the template that a body names."""
    if not text:
        raise required(f"{where}.instanceTemplate")
    return project.reference(f"{where}.instanceTemplate", text, "instanceTemplates", GLOBAL, "instanceTemplate")[0]


def version_identity(version: Json) -> Json:
    """The identity of a version: its name and its template."""
    return {field: version[field] for field in ("name", "instanceTemplate") if field in version}
