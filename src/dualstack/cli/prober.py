"""`dualstack prober`: runs in a pod on each node during the decoy check."""

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
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True, callback=_checked)
@click.option("--node", envvar="NODE_NAME", required=True, help="The node to report on; in a pod NODE_NAME.")
@click.option("--port", type=click.IntRange(1, 65535), default=9, show_default=True, help="The TCP port to try.")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="The cluster to report to. Default: as for `dualstack operator`.",
)
def prober(addresses: tuple[str, ...], node: str, port: int, kubeconfig: Path | None) -> None:
    """Connect to each ADDRESS once a second and report in a Lease which of them answer; runs until it is ended.

    The operator runs it on each node for the decoy check.
    """
    from dualstack.prober.process import run

    run(node, addresses, port, kubeconfig)
