"""The `dualstack` command. Each command imports what it needs when it runs, so that `--help` is fast."""

from __future__ import annotations

import sys

import click

from dualstack.cli.completion import completion, print_candidates
from dualstack.cli.finish import finish
from dualstack.cli.migrate import migrate
from dualstack.cli.operator import operator
from dualstack.cli.plan import plan
from dualstack.cli.preflight import preflight
from dualstack.cli.prepare import prepare
from dualstack.cli.prober import prober
from dualstack.cli.rehearse import rehearse
from dualstack.cli.report import report
from dualstack.cli.rollback import rollback
from dualstack.cli.sim import sim
from dualstack.cli.snapshot import snapshot
from dualstack.cli.status import status
from dualstack.cli.trial import trial
from dualstack.cli.verify import verify
from dualstack.cli.words import tell
from dualstack.kube.interface import Unauthenticated
from dualstack.model.errors import DualstackError, Interrupted, InvalidInput
from dualstack.streams import OutputLost, output_lost, protect


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dualstack", message="%(prog)s %(version)s")
def cli() -> None:
    """Take a running IPv4-only Kubernetes cluster on Google Cloud to dual-stack without losing a packet."""


COMMANDS = (
    rehearse,
    preflight,
    plan,
    prepare,
    finish,
    migrate,
    rollback,
    status,
    verify,
    snapshot,
    report,
    operator,
    trial,
    sim,
    prober,
    completion,
)
for command in COMMANDS:
    cli.add_command(command)


def kubectl_plugin() -> None:
    """Run the command line as `kubectl dualstack`."""
    main("kubectl dualstack")


def kubectl_complete() -> None:
    """Complete `kubectl dualstack`, as kubectl calls it."""
    print_candidates(cli, sys.argv[1:])


def main(name: str = "dualstack") -> None:
    """Run the command line, called `name` (docs/commands.md#exit-status)."""
    protect()
    try:
        status = cli(prog_name=name, complete_var="_DUALSTACK_COMPLETE", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        _print_ending(error.format_message())
        status = error.exit_code
    except click.Abort:
        status = 130
    except InvalidInput as error:
        for fault in error.faults:
            tell(f"dualstack: {fault}")
        status = 2
    except Unauthenticated as error:
        tell(f"dualstack: Kubernetes API: {error}; log in again, or get a new kubeconfig")
        status = 1
    except (DualstackError, OutputLost) as error:
        tell(f"dualstack: {error}")
        status = 130 if isinstance(error, Interrupted) else 3 if isinstance(error, OutputLost) else 1
    except RecursionError:
        tell("dualstack: an input is nested too deeply to be read")
        status = 2
    except OSError as error:
        reason = output_lost(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        tell(f"dualstack: {reason}")
        status = 3 if error.filename is None else 1
    sys.exit(status if isinstance(status, int) else 0)


def _print_ending(reason: str) -> None:
    """As every end of a rehearsal with `-o json` or `-o yaml`, a command line that cannot be parsed is one document."""
    words = " ".join(sys.argv).replace("--output=", "--output ").split()
    for output in ("json", "yaml"):
        if sys.argv[1:2] == ["rehearse"] and {output, f"-o{output}"} & {*words}:
            from dualstack.cli.live.result import print_result
            from dualstack.cli.rehearsal.result import Ending

            print_result(Ending(result="refused", reason=reason, faults=(reason,)), "", output)
            return
