"""The User-Agent of every request of the product, to Kubernetes as to Compute Engine."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

USER_AGENT = f"dualstack/{version('dualstack')} ({sys.platform}/{platform.machine()})"
"""The program, its version and its platform, in the form of kubectl's."""
