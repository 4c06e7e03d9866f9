"""The metrics over HTTP."""

from __future__ import annotations

import urllib.request

import pytest

from dualstack.model.errors import InvalidInput
from dualstack.operator.metrics import Metrics


def test_metrics_are_served_until_stopped(unused_tcp_port: int) -> None:
    metrics = Metrics()
    stop = metrics.serve(unused_tcp_port)
    try:
        with pytest.raises(InvalidInput, match="--metrics-port"):
            metrics.serve(unused_tcp_port)
        with urllib.request.urlopen(f"http://127.0.0.1:{unused_tcp_port}/metrics", timeout=5) as answer:
            assert b"dualstack_reconciles" in answer.read()
    finally:
        stop()
