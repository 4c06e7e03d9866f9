"""The log of the operator's process."""

from __future__ import annotations

import json
import subprocess
import sys

LOGS = """
import logging, structlog
from dualstack.operator.output import configure_logging
configure_logging(form="json")
log = structlog.get_logger("dualstack")
log.info("leads", lease="a/b")
try:
    raise ValueError("no")
except ValueError:
    log.exception("defect", number=1)
logging.getLogger("asyncio").warning("slow %s", "callback")
"""


def test_logs_are_json_objects_also_those_of_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", LOGS], capture_output=True, text=True, check=True)
    first, second, third = (json.loads(line) for line in done.stderr.splitlines())
    assert {"event": "leads", "lease": "a/b", "level": "info"}.items() <= first.items()
    assert "ValueError: no" in second["exception"]
    assert {"event": "slow callback", "level": "warning", "logger": "asyncio"}.items() <= third.items()
    assert all(each["timestamp"].endswith("Z") for each in (first, second, third))
