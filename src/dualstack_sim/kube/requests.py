"""Reading a request: what its path names, and what its query asks for."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack_sim.kube.records import in_version
from dualstack_sim.kube.selectors import Predicate, both, field_predicate, label_predicate
from dualstack_sim.kube.status import StatusError, bad_request, unknown_path
from dualstack_sim.kube.types import Registry
from dualstack_sim.kube.writes import Target, WriteOptions

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


def resource_target(registry: Registry, segments: list[str]) -> Target:
    """The target that the path segments name, from `api` or `apis` on; 404 if nothing is served there."""
    if segments[0] == "api":
        group, version, rest = "", segments[1], segments[2:]
    else:
        group, version, rest = segments[1], segments[2], segments[3:]
    namespace = None
    in_namespace = len(rest) > 2 and not (len(rest) == 3 and rest[2] in _NAMESPACE_SUBRESOURCES)
    if rest[0] == "namespaces" and in_namespace:
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3 or not all(rest):
        raise unknown_path()
    resource = registry.served(group, version, rest[0])
    if resource is None or (namespace is not None and not resource.namespaced):
        raise unknown_path()
    if resource.namespaced and namespace is None and len(rest) > 1:
        raise unknown_path()
    return Target(resource, version, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else None)


def selection(target: Target, query: Mapping[str, str]) -> Predicate | None:
    """What the label and field selectors of the query select, of manifests as they are stored. 400."""
    by_field = field_predicate(target.resource, query.get("fieldSelector", ""))
    if by_field is not None and target.resource.stored_as is not None:
        on_shown, api_version = by_field, target.api_version

        def by_field(manifest: dict[str, object]) -> bool:
            return on_shown(in_version(manifest, api_version))

    return both(label_predicate(query.get("labelSelector", "")), by_field)


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A query parameter that must be a number if it is there; 400 if it is not one."""
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise bad_request(f'{name}: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A query parameter that is true or false; Go's spellings of true."""
    return query.get(name, "").lower() in ("1", "t", "true")


def write_options(query: Mapping[str, str]) -> WriteOptions:
    """`dryRun`, `fieldManager`, `force`; 400 for a dry run of an unknown kind."""
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise _bad_dry_run(dry_run)
    return WriteOptions(dry_run == "All", query.get("fieldManager", ""), flag(query, "force"))


def _bad_dry_run(value: str) -> StatusError:
    return bad_request(f'dryRun: Unsupported value: "{value}": supported values: "All"')
