"""Complete rehearsals with faults of every kind, and faults that are declared while the simulation is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sim.control.served import ask
from tests.sim.rehearsal.command import rehearse, served

ALIAS = "instances.updateNetworkInterface"
THEIRS = {"method": "subnetworks.setPrivateIpGoogleAccess", "body": {"privateIpGoogleAccess": True}}
DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "late and stale": [
        {"method": ALIAS, "pending": 240, "count": 2},
        {"method": "routes.delete", "pending": 200},
        {"method": "instances.list", "stale": 60, "probability": 0.3, "count": 99},
        {"method": "routes.list", "stale": 60, "probability": 0.3, "count": 99},
        {"method": "subnetworks.get", "stale": 30, "probability": 0.3, "count": 99},
    ],
    "others at work": [
        {"method": "subnetworks.patch", "nth": 2, "meanwhile": THEIRS},
        {"method": "routes.delete", "meanwhile": {}},
        {"method": "routes.list", "quota": {"limit": "REQUESTS_PER_MINUTE", "value": 60, "seconds": 900}},
    ],
    "a VM that crashes": [{"method": ALIAS, "nth": 2, "vm": {"becomes": "stopped"}}],
    "a VM that is deleted": [{"method": "routes.delete", "vm": {"becomes": "deleted", "name": "shoot--foo--bar-*"}}],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_rehearsal_endures_and_reports_them(name: str, tmp_path: Path) -> None:
    rules = DOCUMENTS[name]
    path = tmp_path / "faults.yaml"
    path.write_text(yaml.safe_dump({"faults": rules}))
    outcome = rehearse("--faults", str(path), speed="200")  # what replaces a VM must join before the cut-over ends
    assert (outcome.status, outcome.result["result"]) == (0, "succeeded"), outcome.err + str(outcome.result["checks"])
    assert outcome.result["traffic"]["blackoutSeconds"] == {"max": 0.0, "p99": 0.0, "total": 0.0}
    fired = outcome.result["faults"]["fired"]
    assert {fault["rule"] for fault in fired} == set(range(1, len(rules) + 1))
    for fault in fired:
        kinds = [kind for kind in rules[fault["rule"] - 1] if kind in ("pending", "stale", "meanwhile", "quota", "vm")]
        assert fault["kinds"] == kinds
        assert "inVain" not in fault
        assert isinstance(fault["at"], float)
        assert fault["method"] == rules[fault["rule"] - 1]["method"]


@pytest.mark.slow
def test_a_quota_of_aliases_that_falls_midway_ends_at_rest_with_its_name(tmp_path: Path) -> None:
    rule = {"method": ALIAS, "nth": 3, "quota": {"limit": "ALIASES_PER_NETWORK_GLOBAL", "value": 1, "seconds": 400}}
    path = tmp_path / "faults.yaml"
    path.write_text(yaml.safe_dump({"faults": [rule]}))
    outcome = rehearse("--faults", str(path))
    assert (outcome.status, outcome.result["result"]) == (1, "failed"), outcome.err
    assert "Quota 'ALIASES_PER_NETWORK_GLOBAL' exceeded" in outcome.result["reason"]
    assert "rolled back to routes only" in outcome.result["reason"]
    assert outcome.result["traffic"]["blackoutSeconds"]["max"] == 0.0
    assert [check["id"] for check in outcome.result["checks"] if check["status"] == "failed"] == []


@pytest.mark.slow
def test_faults_are_declared_while_the_simulation_is_served() -> None:
    with served(str(Path(__file__).parents[3] / "examples" / "shoot.yaml"), "--speed", "400") as facts:
        networks = f"{facts['computeEndpoint']}/compute/v1/projects/{facts['project']}/global/networks"
        rule = {"method": "networks.list", "errorBefore": {"status": 502}, "count": 2}
        assert ask(f"{facts['controlEndpoint']}/faults", {"faults": [rule]}) == {"rules": 1}
        assert ask(networks)["error"]["code"] == 502
        assert "latency" in ask(f"{facts['controlEndpoint']}/faults", {"faults": [{"method": "a.b"}]})["message"]
        assert ask(networks)["error"]["code"] == 502
        account = ask(f"{facts['controlEndpoint']}/faults")
        assert [fault["kinds"] for fault in account["fired"]] == [["errorBefore"]] * 2, json.dumps(account)
