"""Every end of a rehearsal is one document, also where there is no result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dualstack.cli.live.result import print_result
from dualstack.cli.rehearsal.result import Ending
from dualstack.cli.words import tell
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.streams import OutputLost


def with_ending(output: str, rehearse: Callable[[], int]) -> int:
    """What `rehearse` returns, or 130 after an interrupt.

    Raises InvalidInput if it cannot start, another DualstackError if a process ended, OutputLost if standard output
    cannot be written. With `output` json or yaml, the errors are printed as an `Ending` too.
    """

    def end(ending: Ending) -> None:
        if output != "text":
            try:
                print_result(ending, "", output)
            except OutputLost as error:
                tell(f"dualstack: {error}")

    try:
        return rehearse()
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
