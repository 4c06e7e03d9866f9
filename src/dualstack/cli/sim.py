"""`dualstack sim`: the simulated cloud without the operator, for any client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dualstack.cli.cloud_options import (
    chosen,
    infrastructure_option,
    kubernetes_option,
    landscape_option,
    pauses_option,
    simulated_world,
)
from dualstack.cli.live.options import snapshot_option


@click.group()
def sim() -> None:
    """Run the simulated Google Cloud and Kubernetes without the operator."""


@sim.command()
@click.argument("shoot", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--nodes", type=click.IntRange(min=1), help="Number of nodes instead of the pools' minimum.")
@snapshot_option
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file for `source`, after which the other commands, and kubectl, work on this world.",
)
@click.option("--end-with-stdin", is_flag=True, hidden=True, help="End when standard input, a pipe, is closed.")
@landscape_option(
    kubeadm="a person, in a cluster with the pools and ranges of SHOOT that kubeadm made, without Gardener",
    kops="the same in a cluster that kOps made",
)
@infrastructure_option()
@kubernetes_option
@click.option(
    "--rbac",
    is_flag=True,
    help="The simulated API servers authorize each request by the roles in them (docs/simulated-kubernetes.md#rbac).",
)
@pauses_option
@simulated_world(speed=1.0)
def serve(
    shoot: Path | None, nodes: int | None, landscape: str, infrastructure: str, snapshot: Path | None, **options: Any
) -> None:
    """Serve the cluster that SHOOT describes, IPv4-only, or that of a snapshot, until interrupted.

    When the cluster is ready, prints one line of JSON with `computeEndpoint`, `kubeconfig` and `controlEndpoint`. With
    `--landscape gardener`, gardenlet and upstream's extensions run in this world: start `dualstack operator` in it only
    with `--infrastructure dualstack`.
    """
    from dualstack.cli.shoot_file import read_shoot
    from dualstack_sim.world.serve import WorldOptions, run

    if (shoot is None) == (snapshot is None):
        raise click.UsageError("Pass either SHOOT or --snapshot.")
    if options["rbac"] and options["kubernetes"] is not None:
        raise click.UsageError("--rbac: it is for the simulated API; a real API server has its own authorization.")
    if snapshot is not None:
        from dualstack.cli.live.snapshot import describe

        cluster = describe(snapshot)
        run(
            WorldOptions(
                cluster=cluster, nodes=None, platform="snapshot", project=cluster["project"], **chosen(**options)
            )
        )
        return
    run(
        WorldOptions(
            cluster=read_shoot(shoot, nodes) if shoot else {},
            nodes=nodes,
            platform=landscape if landscape in ("kubeadm", "kops") else "gardener",
            infrastructure=infrastructure if landscape == "gardener" else None,
            **chosen(**options),
        )
    )


@sim.command()
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to load the state from at the start, if it exists, and to save it to at the end.",
)
@click.option(
    "--inventory",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Resources of a real project as JSON to begin with; ignored if the file of --state exists.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port of the Compute API."
)
@click.option("--project", default="proj-1", show_default=True, help="Name of the project.")
@click.option(
    "--region", default="europe-west1", show_default=True, help="Region of the project; it has the zones b, c and d."
)
@simulated_world(speed=1.0)
def compute(**options: Any) -> None:
    """Serve a simulated Compute Engine on loopback, empty or with the state of a file, until interrupted.

    When it is ready, prints one line of JSON with `computeEndpoint` and `controlEndpoint`. docs/simulated-compute.md
    describes how to point clients at it.
    """
    from dualstack_sim.world.compute_serve import ComputeOptions, run

    run(ComputeOptions(**chosen(**options)))


@sim.command()
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def rules(output: str) -> None:
    """Print every rule that the simulated cloud enforces, with its source and how certain it is.

    `documented`: in Google's documentation; `observed`: seen on the real cloud; `inferred`: the most likely reading.
    """
    import msgspec

    from dualstack_sim.rules import RULES

    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode([rule.as_json() for rule in RULES.values()])))
        return
    for rule in RULES.values():
        click.echo(f"{rule.id}  [{rule.tag}]  {rule.source}\n    {rule.statement}")
    click.echo(f"{len(RULES)} rules")
