"""The arguments of a rehearsal, and what is wrong with them before anything starts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dualstack.cli.rehearsal.landscape import DUALSTACK, Landscape
from dualstack.cli.rehearsal.pace import too_large
from dualstack.cli.shoot_file import parse_shoot
from dualstack.clock import ScaledClock
from dualstack.gardener.model.annotations import BACK, shoot_faults
from dualstack.gardener.model.names import CUT_OVER, ENABLED
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.errors import InvalidInput
from dualstack.model.events import STEPS
from dualstack.operator.opt_in import set_aside
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.faults import load_faults, refuse_impossible
from dualstack_sim.world.gardener.node_placements import with_node_count

_LEAST_SPACE = 16 << 20
"""Bytes that must be free for the logs of both processes."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of the command."""

    path: Path
    nodes: int | None
    strategy: str
    decoys: bool | None
    rollout: str
    speed: float
    seed: int
    faults: Path | None
    profile: str
    knobs: tuple[str, ...]
    kill_at: tuple[str, ...]
    output: str
    quiet: bool = False
    and_back: bool = False
    landscape: Landscape = DUALSTACK
    given: frozenset[str] = frozenset()
    """Those of `strategy` and `infrastructure` that are not the default."""
    kubernetes: str | None = None
    """URL of the API server to fill instead of a simulated one."""
    kubernetes_kubeconfig: Path | None = None


ON_THE_WAY_BACK = "back:"
"""Prefix in `--kill-at` for a step of the way back."""


def checked(options: Options, text: str) -> ShootView:
    """The Shoot, after all checks that need no simulated world. Raises InvalidInput."""
    options.landscape.refuse(
        {
            "--strategy": "strategy" in options.given,
            "--decoys": options.decoys is not None,
            "--kill-at": bool(options.kill_at),
        },
        and_back=options.and_back,
        infrastructure_given="infrastructure" in options.given,
    )
    unknown = [step for step in options.kill_at if step.removeprefix(ON_THE_WAY_BACK) not in STEPS]
    if unknown:
        raise InvalidInput(f"--kill-at {unknown[0]}: unknown step; must be one of {', '.join(STEPS)}")
    on_the_way_back = [step for step in options.kill_at if step.startswith(ON_THE_WAY_BACK)]
    if on_the_way_back and not options.and_back:
        raise InvalidInput(f"--kill-at {on_the_way_back[0]}: it needs --and-back")
    shoot = ShootView.of(with_node_count(parse_shoot(text, options.path, options.nodes), options.nodes))
    if "IPv6" in shoot.families:
        raise InvalidInput(
            f"{options.path}: spec.networking.ipFamilies: the Shoot already has {', '.join(shoot.families)}; "
            "a rehearsal starts from an IPv4-only Shoot and adds IPv6 itself: remove IPv6"
        )
    if faults := [*shoot_faults(shoot.annotations), *_hopeless(shoot)]:
        raise InvalidInput(*(f"{options.path}: {fault}" for fault in faults))
    nodes = sum(pool.minimum for pool in shoot.pools)
    if reason := too_large(shoot):
        raise InvalidInput(f"--nodes {nodes}: {reason}")
    if options.faults:
        refuse_impossible(load_faults(options.faults), Compute(ScaledClock(), Chance()).methods)
    return shoot


def _hopeless(shoot: ShootView) -> Iterator[str]:
    """What keeps the operator from migrating the Shoot until its owner changes it."""
    if shoot.annotations.get(CUT_OVER) == BACK:
        yield f"metadata.annotations[{CUT_OVER}]: {BACK} would keep the cluster on its routes; remove it"
    if shoot.annotations.get(ENABLED) == "false":
        yield f"metadata.annotations[{ENABLED}]: false would make the operator leave the Shoot alone; remove it"
    if reason := set_aside(shoot.manifest):
        yield f"{reason}, so that neither gardenlet nor the operator reconciles it; rehearse it without that"


def new_folder(text: str) -> tuple[Path, Path]:
    """A new folder for the logs, and the Shoot in it, which the world reads, because a pipe can be read only once."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="dualstack-rehearsal-"))
        free = shutil.disk_usage(folder).free
        given = folder / "shoot.yaml"
        if free >= _LEAST_SPACE:
            given.write_text(text, encoding="utf-8")
            return folder, given
        folder.rmdir()
        reason = f"{free >> 10} KiB are free"
    except OSError as error:
        reason = str(error.strerror or error)
    raise InvalidInput(
        f"temporary folder {tempfile.gettempdir()}: {reason}; a rehearsal needs {_LEAST_SPACE >> 20} MiB for its logs: "
        "free some, or set TMPDIR to another folder"
    )
