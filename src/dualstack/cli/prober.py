"""`dualstack prober`: what runs in a pod on each node while decoys are there."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import click


def _checked(_: click.Context, __: click.Parameter, addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        try:
            ip_address(address)
        except ValueError:
            raise click.BadParameter(f"{address!r} is no IP address") from None
    return addresses


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True, callback=_checked)
@click.option("--node", envvar="NODE_NAME", required=True, help="The node of whom to report; in a pod NODE_NAME.")
@click.option("--port", type=click.IntRange(1, 65535), default=9, show_default=True, help="The TCP port to try.")
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The cluster to report to; in a pod its own.",
)
def prober(addresses: tuple[str, ...], node: str, port: int, kubeconfig: Path | None) -> None:
    """Try each ADDRESS once a second and keep a Lease that says which of them answer; runs until it is ended.

    The operator runs it on each node when a Shoot asks for the decoy check.
    """
    from dualstack.prober.process import ProberOptions, run

    run(ProberOptions(node=node, addresses=addresses, port=port, kubeconfig=kubeconfig))
