"""One rehearsal: from the Shoot in a file to the verdict."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace

from dualstack.cli.live.result import print_result
from dualstack.cli.rehearsal.display import make_display
from dualstack.cli.rehearsal.endings import with_ending
from dualstack.cli.rehearsal.options import Options, checked, new_folder
from dualstack.cli.rehearsal.rehearsal import Rehearsal
from dualstack.cli.rehearsal.summary import summarise
from dualstack.cli.shoot_file import read_text
from dualstack.cli.words import tell
from dualstack.model.errors import InvalidInput
from dualstack_sim.rules.profiles import choose

MASK = "ipv6-mask"
"""The knob that lets a Shoot return to IPv4; `--and-back` sets it unless the user does."""


def run(options: Options) -> int:
    """Rehearse and print the result. Returns 0 if every check passed, 1 if not; ends as `with_ending` does."""
    return with_ending(options.output, lambda: _run(options))


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
