"""gcloud is not a package that can be installed with the tests, so its tests run only where it is installed."""

from __future__ import annotations

import shutil

GCLOUD = shutil.which("gcloud")
collect_ignore = [] if GCLOUD else ["test_contract_gcloud.py"]


def pytest_report_header() -> list[str]:
    return [] if GCLOUD else ["tests/contract/test_contract_gcloud.py is not collected: gcloud is not installed"]
