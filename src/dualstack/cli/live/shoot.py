"""The Shoot of a cluster: in the garden (`--garden-kubeconfig`), or in a file (`--shoot FILE`)."""

from __future__ import annotations

from pathlib import Path

from dualstack.cli.shoot_file import read_text
from dualstack.gardener.model.defaults import with_defaults
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.shoot import load_shoot, technical_id
from dualstack.gardener.validation.migration_fitness import fitness_faults
from dualstack.gardener.validation.shoot_shape import shape_faults
from dualstack.gce import Resource
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Forbidden, Kube, NotFound
from dualstack.live.identify import Identity
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.kinds import Manifest


async def read_shoot(kubeconfig: Path | None, named: str, identity: Identity) -> Manifest | None:
    """The Shoot of the identified cluster; None where neither option is given. named: as for `find_shoot`, or a file.
    InvalidInput for another Shoot; KubeError when the garden cannot be read."""
    if kubeconfig is None:
        return of_file(named, identity) if named else None
    kube = LightkubeKube.connect(find_connection(kubeconfig))
    try:
        return await find_shoot(kube, named, identity)
    finally:
        await kube.close()


def of_file(named: str, identity: Identity) -> Manifest:
    """The Shoot in a file. InvalidInput unless it is that of the cluster."""
    path = Path(named)
    if not path.is_file():
        raise InvalidInput(f"--shoot {named}: there is no such file; for its name, add --garden-kubeconfig FILE")
    try:
        found = load_shoot(read_text(path))
    except InvalidInput as error:
        raise InvalidInput(*(f"--shoot {path}: {fault}" for fault in error.faults)) from error
    return _same(found, identity)


async def find_shoot(kube: Kube, named: str, identity: Identity) -> Manifest:
    """The Shoot of the identified cluster in its garden. InvalidInput, with the Shoots that there are, if it is not
    found. named: `namespace/name` or `name`, or a file with its manifest; empty for what follows from the cluster."""
    named = _name_in_file(named, identity)
    project, _, name = identity.cluster.name.removeprefix("shoot--").partition("--")
    namespace = f"garden-{project}"
    if named:
        given, _, name = named.rpartition("/")
        namespace = given or namespace
    try:
        found = await kube.get(SHOOT, name, namespace)
        if found is not None and (named or technical_id(found) == identity.cluster.name):
            return _same(found, identity)
        return await _only(kube, namespace, f"{namespace}/{name}", identity, search=not named)
    except NotFound as error:
        raise InvalidInput("--garden-kubeconfig: its API server has no Shoots, so it is no garden") from error
    except KubeError as error:
        error.args = (f"--garden-kubeconfig: {error}",)
        raise


def _name_in_file(named: str, identity: Identity) -> str:
    """The name of the Shoot in a file; `named` itself when it is none."""
    if not named or not Path(named).is_file():
        return named
    metadata = of_file(named, identity)["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}".removeprefix("/")


async def _only(kube: Kube, namespace: str, wanted: str, identity: Identity, *, search: bool) -> Manifest:
    """The Shoot with the cluster's technical ID, if it may be searched for. InvalidInput without one."""
    try:
        shoots = await kube.list(SHOOT)
    except Forbidden:
        shoots = await kube.list(SHOOT, namespace)
    for each in shoots:
        if search and technical_id(each) == identity.cluster.name:
            return each
    names = ", ".join(sorted(f"{each['metadata'].get('namespace')}/{each['metadata']['name']}" for each in shoots))
    raise InvalidInput(
        f"--garden-kubeconfig: the garden has no Shoot {wanted}; name that of {identity.cluster.name} with --shoot "
        f"(it shows {names or 'none'})"
    )


def _same(found: Manifest, identity: Identity) -> Manifest:
    technical, metadata = technical_id(found), found["metadata"]
    if technical != identity.cluster.name:
        raise InvalidInput(
            f"--shoot: Shoot {metadata.get('namespace')}/{metadata['name']} has the technical ID {technical}, but the "
            f"cluster is {identity.cluster.name}"
        )
    return found


def obstacles_of(shoot: Manifest, identity: Identity) -> list[Resource]:
    """The fields with which a migration cannot finish, as `{"object", "evidence"}`."""
    nodes = sum(pool.nodes for pool in identity.cluster.pools) or None
    faults = shape_faults(shoot) or fitness_faults(with_defaults(shoot), nodes)
    return [
        {"object": field, "evidence": evidence}
        for field, _, evidence in (str(fault).partition(": ") for fault in faults)
    ]
