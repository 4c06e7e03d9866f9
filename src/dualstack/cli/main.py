"""The `dualstack` command. Each command imports what it needs when it runs, so that `--help` is fast."""

from __future__ import annotations

import sys

import click

from dualstack.cli.operator import operator
from dualstack.cli.prober import prober
from dualstack.cli.rehearse import rehearse
from dualstack.cli.sim import sim
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.streams import OutputLost, output_lost, protect


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dualstack", message="%(prog)s %(version)s")
def cli() -> None:
    """Take a running IPv4-only Kubernetes cluster on Google Cloud to dual-stack without losing a packet."""


cli.add_command(rehearse)
cli.add_command(operator)
cli.add_command(sim)
cli.add_command(prober)


def main() -> None:
    """Run the command line. Exit status: 0 succeeded, 1 failed, 2 invalid input, 3 output could not be written."""
    protect()
    try:
        cli(prog_name="dualstack")
    except InvalidInput as error:
        for fault in error.faults:
            click.echo(f"dualstack: {fault}", err=True)
        sys.exit(2)
    except DualstackError as error:
        click.echo(f"dualstack: {error}", err=True)
        sys.exit(1)
    except OutputLost as error:
        click.echo(f"dualstack: {error}", err=True)
        sys.exit(3)
    except OSError as error:
        if error.filename is not None:
            click.echo(f"dualstack: {error.filename}: {error.strerror}", err=True)
            sys.exit(1)
        click.echo(f"dualstack: {output_lost(error)}", err=True)
        sys.exit(3)
