"""`dualstack prober`: runs in a pod on each node, for the decoy check or to measure the traffic."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import click


def _checked(_: click.Context, __: click.Parameter, addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        try:
            ip_address(address)
        except ValueError:
            raise click.BadParameter(f"{address!r} is not an IP address") from None
    return addresses


@click.command()
@click.argument("addresses", metavar="[ADDRESS...]", nargs=-1, callback=_checked)
@click.option("--traffic", is_flag=True, help="Exchange packets with the probers of other nodes (docs/traffic.md).")
@click.option("--node", envvar="NODE_NAME", required=True, help="The node to report on; in a pod NODE_NAME.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="The TCP port to try. Default: 9; with --traffic 9471, TCP and UDP, also to answer on.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="The cluster to report to. Default: as for `dualstack operator`.",
)
def prober(addresses: tuple[str, ...], traffic: bool, node: str, port: int | None, kubeconfig: Path | None) -> None:
    """Connect to each ADDRESS once a second and report in a Lease which of them answer; runs until it is ended.

    The operator runs it on each node for the decoy check.
    """
    if traffic == bool(addresses):
        raise click.UsageError("either addresses or --traffic is required, and not both")
    if traffic:
        from dualstack.traffic import process
        from dualstack.traffic.node_report import PORT as TRAFFIC_PORT

        process.run(node, port or TRAFFIC_PORT, kubeconfig)
        return
    from dualstack.prober.process import run
    from dualstack.prober.report import PORT as DECOY_PORT

    run(node, addresses, port or DECOY_PORT, kubeconfig)
