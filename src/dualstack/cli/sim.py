"""`dualstack sim`: the simulated cloud on its own, for any client."""

from __future__ import annotations

import time
from pathlib import Path

import click

from dualstack.cli.cloud_options import simulated_world


@click.group()
def sim() -> None:
    """Run the simulated Google Cloud and Kubernetes on their own."""


@sim.command()
@click.argument("shoot", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--nodes", type=click.IntRange(min=1), help="Number of nodes instead of the pools' minimum.")
@click.option("--lifeline", is_flag=True, hidden=True, help="End when standard input, a pipe, is closed.")
@simulated_world(speed=1.0)
def serve(
    shoot: Path,
    nodes: int | None,
    speed: float,
    seed: int,
    faults: Path | None,
    lifeline: bool,
    profile: str,
    knobs: tuple[str, ...],
) -> None:
    """Serve the cluster that SHOOT describes, at rest and IPv4-only, until interrupted.

    Prints one line of JSON with `computeEndpoint`, `kubeconfig` and `controlEndpoint` when everything is up.
    """
    from dualstack.cli.shoot_file import read_shoot
    from dualstack_sim.rules.profiles import choose
    from dualstack_sim.world.control_clock import SteppableClock
    from dualstack_sim.world.serve import WorldOptions, run

    run(
        WorldOptions(
            cluster=read_shoot(shoot, nodes),
            nodes=nodes,
            seed=seed,
            faults=faults,
            lifeline=lifeline,
            clock=SteppableClock(origin=time.time(), speed=speed),
            profile=choose(profile, knobs),
        )
    )


@sim.command()
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File from which the state is loaded at the start, if it is there, and to which it is saved at the end.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="any free one", help="Port of the Compute API."
)
@click.option("--project", default="proj-1", show_default=True, help="Name of the one project that there is.")
@click.option("--region", default="europe-west1", show_default=True, help="Its region; the zones are b, c and d.")
@simulated_world(speed=1.0)
def compute(
    state: Path | None,
    port: int,
    speed: float,
    seed: int,
    faults: Path | None,
    project: str,
    region: str,
    profile: str,
    knobs: tuple[str, ...],
) -> None:
    """Serve a simulated Compute Engine on loopback, empty or as a file says, until interrupted.

    Prints one line of JSON with `computeEndpoint` and `controlEndpoint` when it is up. docs/simulated-compute.md says
    how to point clients at it.
    """
    from dualstack_sim.rules.profiles import choose
    from dualstack_sim.world.compute_serve import ComputeOptions, run
    from dualstack_sim.world.control_clock import SteppableClock

    run(
        ComputeOptions(
            clock=SteppableClock(origin=time.time(), speed=speed),
            state=state,
            port=port,
            seed=seed,
            faults=faults,
            project=project,
            region=region,
            profile=choose(profile, knobs),
        )
    )


@sim.command()
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def rules(output: str) -> None:
    """Print every rule that the simulated cloud enforces, with where it comes from and how sure it is.

    `documented`: Google says so; `observed`: somebody saw it; `inferred`: the likeliest reading of what is known.
    """
    import msgspec

    from dualstack_sim.rules import RULES

    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode([rule.as_json() for rule in RULES.values()])))
        return
    for rule in RULES.values():
        click.echo(f"{rule.id}  [{rule.tag}]  {rule.source}\n    {rule.statement}")
    click.echo(f"{len(RULES)} rules")
