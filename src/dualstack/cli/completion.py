"""`dualstack completion`, and the completion of `kubectl dualstack`."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import ShellComplete, get_completion_class

from dualstack.streams import print_out

NO_FILES, FILES = ":4", ":0"
"""What kubectl reads after the last candidate: whether the shell completes file names as well
(docs/reference/kubernetes.md#plugins)."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the completion script of a shell: put it where the shell reads such scripts, or `source` it."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"{shell}: no such shell")
    print_out(found(context.find_root().command, {}, "dualstack", "_DUALSTACK_COMPLETE").source().rstrip())


def print_candidates(command: click.Command, arguments: Sequence[str]) -> None:
    """Print, as kubectl reads them, the candidates for `arguments`, of which the last may be unfinished."""
    *words, incomplete = arguments or [""]
    found = ShellComplete(command, {}, "dualstack", "_DUALSTACK_COMPLETE").get_completions(words, incomplete)
    names = [each for each in found if each.type == "plain"]
    lines = [f"{each.value}\t{each.help}" if each.help else str(each.value) for each in names]
    print_out("\n".join([*lines, NO_FILES if len(names) == len(found) and found else FILES]))
