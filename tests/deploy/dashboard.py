"""The dashboard for Grafana, from the panels below."""

from __future__ import annotations

from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}

PANELS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("Leader", "stat", "short", {"leaders": "sum(dualstack_leader)"}),
    (
        "Shoots by phase",
        "timeseries",
        "short",
        {"{{phase}}": 'sum by (phase) (dualstack_phase{shoot=~"$shoot"})'},
    ),
    (
        "Nodes by state",
        "timeseries",
        "short",
        {"{{state}}": 'sum by (state) (dualstack_nodes{shoot=~"$shoot"})'},
    ),
    ("Routes left", "timeseries", "short", {"{{shoot}}": 'dualstack_routes_left{shoot=~"$shoot"}'}),
    (
        "Present step",
        "timeseries",
        "s",
        {"{{shoot}} {{step}}": 'dualstack_step_seconds{shoot=~"$shoot"}'},
    ),
    ("Wait without progress", "timeseries", "s", {"{{shoot}}": 'dualstack_waiting_seconds{shoot=~"$shoot"}'}),
    (
        "Outage",
        "timeseries",
        "s",
        {
            "{{shoot}} announced": 'dualstack_outage_expected_seconds{shoot=~"$shoot"}',
            "{{shoot}} measured": 'dualstack_outage_measured_seconds{shoot=~"$shoot"}',
        },
    ),
    (
        "Route controller stopped",
        "timeseries",
        "s",
        {"{{shoot}}": 'dualstack_cloud_controller_manager_stopped_seconds{shoot=~"$shoot"}'},
    ),
    (
        "Reconciles",
        "timeseries",
        "ops",
        {"{{controller}} {{result}}": "sum by (controller, result) (rate(dualstack_reconciles_total[5m]))"},
    ),
    (
        "Errors by code",
        "timeseries",
        "ops",
        {"{{controller}} {{code}}": "sum by (controller, code) (rate(dualstack_errors_total[5m]))"},
    ),
    (
        "Failed steps",
        "timeseries",
        "short",
        {
            "{{shoot}} {{step}}": "sum by (shoot, step) "
            '(increase(dualstack_steps_total{result="failed", shoot=~"$shoot"}[30m]))'
        },
    ),
    (
        "Compute calls",
        "timeseries",
        "ops",
        {"{{method}} {{result}}": "sum by (method, result) (rate(dualstack_compute_calls_total[5m]))"},
    ),
    (
        "Use of quota windows",
        "timeseries",
        "percentunit",
        {"{{project}} {{group}}": "dualstack_quota_window_used / dualstack_quota_window_limit"},
    ),
    ("Events lost", "stat", "short", {"events": "sum(dualstack_events_lost)"}),
)
"""Title, kind, unit, and the queries by legend."""


def dashboard() -> dict[str, Any]:
    """The document that Grafana imports; two panels in a row."""
    return {
        "title": "Dualstack",
        "uid": "dualstack",
        "tags": ["dualstack"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "shoot",
                    "label": "Shoot",
                    "type": "query",
                    "datasource": SOURCE,
                    "query": "label_values(dualstack_phase, shoot)",
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                    "refresh": 2,
                },
            ]
        },
        "panels": [_panel(number, *panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, title: str, kind: str, unit: str, queries: dict[str, str]) -> dict[str, Any]:
    return {
        "id": number + 1,
        "title": title,
        "type": kind,
        "datasource": SOURCE,
        "gridPos": {"x": number % 2 * 12, "y": number // 2 * 8, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend, "datasource": SOURCE}
            for index, (legend, query) in enumerate(queries.items())
        ],
    }
