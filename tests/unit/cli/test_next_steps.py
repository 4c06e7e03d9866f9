"""What a user is advised to do after a run."""

from __future__ import annotations

from typing import Any

from dualstack.cli.rehearsal.next_steps import after_failure, after_success
from dualstack.cli.rehearsal.record import BACK, FORWARD
from dualstack.verify.checks import ON_ALIASES, ON_ROUTES
from dualstack.verify.judging import Check


def pod(name: str, owner: tuple[str, str], *addresses: str, host: bool = False) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "default",
            "name": name,
            "ownerReferences": [{"kind": owner[0], "name": owner[1]}],
        },
        "spec": {"hostNetwork": host},
        "status": {"podIPs": [{"ip": address} for address in addresses]},
    }


def service(name: str, policy: str | None, kind: str = "ClusterIP") -> dict[str, Any]:
    spec = {"type": kind} | ({"ipFamilyPolicy": policy} if policy else {})
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}


def test_r7_workloads_services_and_load_balancers_are_named() -> None:
    pods = [
        pod("web-7f-1", ("ReplicaSet", "web-7f"), "100.96.0.5"),
        pod("web-7f-2", ("ReplicaSet", "web-7f"), "100.96.1.5"),
        pod("db-0", ("StatefulSet", "db"), "100.96.1.6"),
        pod("new-1", ("ReplicaSet", "new-1a"), "100.96.1.7", "2600::7"),
        pod("agent", ("DaemonSet", "agent"), "10.250.0.2", host=True),
    ]
    services = [
        service("kubernetes", "SingleStack"),
        service("web", None),
        service("both", "PreferDualStack"),
        service("edge", "SingleStack", "LoadBalancer"),
        service("elsewhere", None, "ExternalName"),
    ]
    restart, families, balancers = after_success(FORWARD, pods, services)
    assert "default deployment/web, default statefulset/db (kubectl" in restart
    assert "`ipFamilyPolicy: PreferDualStack`" in families
    assert "default/web." in families
    assert "Load balancers that exist stay IPv4: default/edge." in balancers
    assert "create another Service with `ipFamilyPolicy: PreferDualStack`" in balancers


def test_r7_many_names_are_counted_and_nothing_is_said_where_nothing_is_to_do() -> None:
    pods = [pod(f"p{number}", ("DaemonSet", f"d{number}"), "100.96.0.5") for number in range(9)]
    assert "daemonset/d2 and 6 more (kubectl" in after_success(FORWARD, pods, [])[0]
    assert after_success(FORWARD, [], []) == ()
    assert after_success(BACK, pods, [])[0].startswith("Nothing: the cluster is IPv4 again")


def test_r7_a_failed_run_names_the_state_that_it_left() -> None:
    def passed(names: Any) -> list[Check]:
        return [Check(name, "passed", "") for name in names]

    assert "on routes, as before" in after_failure(passed(ON_ROUTES))[0]
    assert "Pods stay on alias ranges" in after_failure(passed(ON_ALIASES))[0]
    assert "check the failed checks" in after_failure(passed([*ON_ROUTES][1:]))[0]
