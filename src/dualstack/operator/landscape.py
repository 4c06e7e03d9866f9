"""Which controllers run in which landscape, and what shows that Gardener runs beside them (docs/landscapes.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from dualstack.clock import parse_rfc3339
from dualstack.gardener.model.kinds import CONTROLLER_INSTALLATION, MANAGED_SEED, SEED
from dualstack.gardener.model.names import EXTENSION_PREFIX
from dualstack.kube.interface import Invalid, Kube, NotFound
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, LEASE, Kind, Manifest

GARDENER, STANDALONE = "gardener", "standalone"

CONTROLLERS = ("shoot", "infrastructure", "controlplane", "network", "worker")
"""The controllers, by the name under which their objects are queued."""

BESIDE_GARDENER = ("infrastructure",)
"""Those that run beside gardenlet and the other extensions; the others would write the objects of these programs."""

LEASE_TIMEOUT = 600.0
"""Seconds after which the Lease of a program that does not renew it is no sign that the program runs."""


def controllers_of(landscape: str, names: Sequence[str] | None) -> tuple[str, ...]:
    """The controllers that run: `names`, else those of the landscape. InvalidInput for one that must not run there."""
    allowed = BESIDE_GARDENER if landscape == GARDENER else CONTROLLERS
    if names is None:
        return allowed
    if refused := [name for name in names if name not in allowed]:
        raise InvalidInput(
            f"--controllers {','.join(refused)}: with --landscape {landscape}, gardenlet and Gardener's extensions "
            f"reconcile these objects; omit them, or pass --landscape {STANDALONE} where no gardenlet runs"
        )
    return tuple(names)


def is_of_gardener(manager: str) -> bool:
    """Whether a field manager or a Deployment of this name is gardenlet or one of Gardener's extensions."""
    return manager == "gardenlet" or manager.startswith(EXTENSION_PREFIX)


def foreign_manager(found: Manifest | None) -> str | None:
    """The field manager by which gardenlet or an extension has written the object, if any."""
    managers = (str(entry.get("manager", "")) for entry in dig(found, "metadata", "managedFields") or ())
    return next(filter(is_of_gardener, managers), None)


async def refuse_beside_gardener(kube: Kube, kinds: Iterable[Kind], now: float) -> None:
    """Return if there is no trace of Gardener: InvalidInput with one line for each trace, or for a missing right.

    kinds: those that this process reconciles; objects of other kinds may belong to a program that Gardener brought.
    """
    if faults := [fault async for fault in _traces(kube, kinds, now)]:
        raise InvalidInput(*(f"--landscape {STANDALONE}: {fault}" for fault in faults))


async def _traces(kube: Kube, kinds: Iterable[Kind], now: float) -> AsyncIterator[str]:
    def stands_alone(_: Manifest) -> str | None:
        return "belongs to Gardener"

    def runs(found: Manifest) -> str | None:
        wanted = is_of_gardener(found["metadata"]["name"]) and dig(found, "spec", "replicas") != 0
        return "reconciles objects that this operator would write" if wanted else None

    def held(found: Manifest) -> str | None:
        """Leader elections of gardenlet and the extensions: docs/reference/gardener.md#traces"""
        name, _, suffix = found["metadata"]["name"].partition("-leader-election")
        if suffix or not (name == "gardenlet" or name.startswith(("provider-", "networking-"))):
            return None
        renewed = _seconds(dig(found, "spec", "renewTime"))
        return f"is held by {name}" if renewed is None or now - renewed < LEASE_TIMEOUT else None

    def written(found: Manifest) -> str | None:
        manager = foreign_manager(found)
        return f"was written by {manager}" if manager else None

    looks: list[tuple[Kind, Callable[[Manifest], str | None]]] = [
        *((kind, stands_alone) for kind in (SEED, MANAGED_SEED, CONTROLLER_INSTALLATION)),
        (DEPLOYMENT, runs),
        (LEASE, held),
        *((kind, written) for kind in kinds),
    ]
    advice = f"where Gardener runs, pass --landscape {GARDENER}, which runs the Infrastructure controller alone"
    for kind, look in looks:
        try:
            objects = await kube.list(kind)
        except NotFound:
            continue
        except Invalid as error:
            words = f"grant the right to list {kind.qualified}, which shows whether Gardener runs here"
            yield f"{kind.plural}: {error}; {words}"
            continue
        for found in objects:
            if trace := look(found):
                name = "/".join(filter(None, (found["metadata"].get("namespace"), found["metadata"]["name"])))
                yield f"{kind.kind} {name} {trace}; {advice}"
                break


def _seconds(stamp: object) -> float | None:
    try:
        return parse_rfc3339(str(stamp)) if stamp else None
    except ValueError:
        return None
