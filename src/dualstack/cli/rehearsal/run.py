"""One rehearsal: from the Shoot in a file to the verdict."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace

from dualstack.cli.live.result import print_result
from dualstack.cli.rehearsal.display import make_display
from dualstack.cli.rehearsal.options import Options, checked, new_folder
from dualstack.cli.rehearsal.rehearsal import Rehearsal
from dualstack.cli.rehearsal.result import Ending
from dualstack.cli.rehearsal.summary import summarise
from dualstack.cli.shoot_file import read_text
from dualstack.cli.words import tell
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.streams import OutputLost
from dualstack_sim.rules.profiles import choose

MASK = "ipv6-mask"
"""The knob that lets a Shoot return to IPv4; `--and-back` sets it unless the user does."""


def run(options: Options) -> int:
    """Rehearse and print the result. Returns 0 if every check passed, 1 if not, 130 after an interrupt.

    Raises InvalidInput if it cannot start, another DualstackError if a process ended, OutputLost if standard output
    cannot be written. With `--output` json or yaml, the errors are printed as an `Ending` too.
    """

    def end(ending: Ending) -> None:
        if options.output != "text":
            try:
                print_result(ending, "", options.output)
            except OutputLost as error:
                tell(f"dualstack: {error}")

    try:
        return _run(options)
    except InvalidInput as error:
        end(Ending(result="refused", reason=str(error), faults=error.faults))
        raise
    except DualstackError as error:
        end(Ending(result="failed", reason=str(error)))
        raise
    except (KeyboardInterrupt, asyncio.CancelledError):
        reason = "interrupted; all processes of the rehearsal have been stopped"
        tell(f"dualstack: {reason}")
        end(Ending(result="interrupted", reason=reason))
        return 130


def _run(options: Options) -> int:
    text = read_text(options.path)
    shoot = checked(options, text)
    if options.and_back and not any(knob.startswith(f"{MASK}=") for knob in options.knobs):
        options = replace(options, knobs=(*options.knobs, f"{MASK}=may-leave"))
    profile = choose(options.profile, options.knobs)
    folder, given = new_folder(text)
    options = replace(options, path=given)
    display = make_display(options.output, quiet=options.quiet)
    logs = f"The logs of the operator and of the simulated world are in {folder}"
    keep = True
    try:
        result = asyncio.run(Rehearsal(options, shoot, profile, folder, display).run())
        keep = result.result != "succeeded"
    except (InvalidInput, KeyboardInterrupt, asyncio.CancelledError):
        keep = False
        raise
    finally:
        display.close()
        if keep:
            tell(logs)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print_result(result, summarise(result), options.output)
    return 0 if result.result == "succeeded" else 1
