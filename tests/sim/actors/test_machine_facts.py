"""Pure functions of the machine controller: templates, order of deletion, health, statuses, request bodies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.clock import rfc3339
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.drain import movable
from dualstack_sim.actors.machine_deployments import deployment_status, drift, machine_set_of
from dualstack_sim.actors.machine_facts import (
    HASH_LABEL,
    PRIORITY,
    deletion_order,
    is_active,
    node_problem,
    same_template,
    seconds_to_available,
    template_hash,
    zone_of,
)
from dualstack_sim.actors.machine_instances import class_faults, instance_body
from dualstack_sim.actors.machine_sets import machine_of, set_status
from tests.sim.actors.machines import DUAL_NIC, NAME, SINGLE_NIC, machine_deployment, provider_spec

NOW = 1_750_000_000.0


def machine(
    name: str, phase: str = "Running", *, age: float = 0.0, priority: str | None = None, ready_for: float | None = None
) -> Manifest:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(NOW - (ready_for or 0.0))}]
    annotations = {} if priority is None else {PRIORITY: priority}
    return {
        "metadata": {"name": name, "annotations": annotations, "creationTimestamp": rfc3339(NOW - age)},
        "status": {
            "currentStatus": {"phase": phase, "lastUpdateTime": rfc3339(NOW)},
            "conditions": conditions if ready_for is not None else [],
        },
    }


def node(**conditions: str) -> Manifest:
    return {"status": {"conditions": [{"type": name, "status": value} for name, value in conditions.items()]}}


def owned(name: str, template: Manifest | None = None) -> Manifest:
    manifest = machine_deployment(3)
    manifest["metadata"] |= {"name": name, "uid": "u-1", "generation": 4}
    if template is not None:
        manifest["spec"]["template"] = template
    return manifest


class TestTemplates:
    def test_the_set_of_a_deployment_has_its_template(self) -> None:
        deployment = owned(NAME)
        made = machine_set_of(deployment, "0a1b2", 3)
        assert made["metadata"]["name"] == f"{NAME}-0a1b2"
        assert made["spec"]["template"]["metadata"]["labels"] == {"name": NAME, HASH_LABEL: "0a1b2"}
        assert made["spec"]["selector"]["matchLabels"] == {"name": NAME, HASH_LABEL: "0a1b2"}
        assert made["spec"]["replicas"] == 0
        assert made["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "3"}
        assert same_template(made["spec"]["template"], deployment["spec"]["template"])
        assert drift(deployment, made) == []

    def test_a_requested_rollout_changes_the_template(self) -> None:
        before = machine_deployment(3)["spec"]["template"]
        after = {**before, "metadata": {**before["metadata"], "annotations": {"rollout-workers": "now"}}}
        assert not same_template(before, after)
        assert template_hash(before) != template_hash(after)

    def test_another_class_changes_the_template(self) -> None:
        before = machine_deployment(3)["spec"]["template"]
        after = {**before, "spec": {**before["spec"], "class": {"kind": "MachineClass", "name": "other"}}}
        assert not same_template(before, after)

    def test_labels_and_taints_of_nodes_are_updated_in_place(self) -> None:
        deployment = owned(NAME)
        existing = machine_set_of(deployment, "0a1b2", 1)
        node_template = {"metadata": {"labels": {"team": "x"}}}
        spec = {**deployment["spec"]["template"]["spec"], "nodeTemplate": node_template}
        changed = owned(NAME, {**deployment["spec"]["template"], "spec": spec})
        changed["spec"]["minReadySeconds"] = 7
        assert same_template(existing["spec"]["template"], changed["spec"]["template"])
        assert drift(changed, existing) == [
            {"op": "add", "path": "/spec/minReadySeconds", "value": 7},
            {"op": "add", "path": "/spec/template/spec/nodeTemplate", "value": node_template},
        ]

    @pytest.mark.parametrize("empty", [None, {}])
    def test_empty_and_absent_are_the_same(self, empty: Any) -> None:
        template = machine_deployment(1)["spec"]["template"]
        with_empty = {**template, "metadata": {**template["metadata"], "annotations": empty}}
        assert same_template(template, with_empty)
        assert template_hash(template) == template_hash(with_empty)

    def test_a_hash_has_five_hexadecimal_digits_and_changes_with_collisions(self) -> None:
        template = machine_deployment(1)["spec"]["template"]
        hashes = {template_hash(template, collisions) for collisions in range(4)}
        assert len(hashes) == 4
        assert all(len(each) == 5 and int(each, 16) >= 0 for each in hashes)

    def test_a_machine_takes_labels_annotations_and_spec_of_its_set(self) -> None:
        template = owned(NAME)["spec"]["template"]
        deployment = owned(NAME, {**template, "metadata": {**template["metadata"], "annotations": {"a": "b"}}})
        machine_set = machine_set_of(deployment, "0a1b2", 1)
        machine_set["metadata"]["uid"] = "u-2"
        made = machine_of(machine_set, f"{NAME}-0a1b2-xxxxx")
        assert made["metadata"]["labels"] == {"name": NAME, HASH_LABEL: "0a1b2"}
        assert made["metadata"]["annotations"] == {"a": "b"}
        assert made["metadata"]["finalizers"] == ["machine.sapcloud.io/machine-controller-manager"]
        assert made["metadata"]["ownerReferences"][0]["uid"] == "u-2"
        assert made["spec"] == deployment["spec"]["template"]["spec"]


class TestOrderOfDeletion:
    def test_worst_phase_first_then_the_youngest_then_by_name(self) -> None:
        given_machines = [
            machine("old", age=900.0),
            machine("young-b", age=10.0),
            machine("young-a", age=10.0),
            machine("pending", "Pending", age=5000.0),
            machine("unknown", "Unknown", age=5000.0),
            machine("looping", "CrashLoopBackOff", age=5000.0),
        ]
        names = [each["metadata"]["name"] for each in deletion_order(given_machines)]
        assert names == ["looping", "unknown", "pending", "young-a", "young-b", "old"]

    def test_priority_comes_first(self) -> None:
        chosen = [
            machine("broken", "Unknown"),
            machine("marked", priority="1", age=900.0),
            machine("kept", priority="9"),
        ]
        assert [each["metadata"]["name"] for each in deletion_order(chosen)] == ["marked", "broken", "kept"]

    def test_an_invalid_priority_counts_as_the_default(self) -> None:
        chosen = [machine("a", priority="high", age=9.0), machine("b", age=99.0), machine("c", priority="2", age=999.0)]
        assert [each["metadata"]["name"] for each in deletion_order(chosen)] == ["c", "a", "b"]

    @given(st.permutations(["Running", "Pending", "Unknown", "CrashLoopBackOff", "Available", "Running"]))
    def test_the_order_does_not_depend_on_the_order_of_the_list(self, phases: list[str]) -> None:
        chosen = [machine(f"m-{phase}-{phases[:index].count(phase)}", phase) for index, phase in enumerate(phases)]
        names = [each["metadata"]["name"] for each in deletion_order(chosen)]
        assert names == [
            "m-CrashLoopBackOff-0", "m-Unknown-0", "m-Pending-0", "m-Available-0", "m-Running-0", "m-Running-1",
        ]  # fmt: skip

    @pytest.mark.parametrize("phase", ["Failed", "Terminating"])
    def test_failed_and_terminating_machines_are_not_active(self, phase: str) -> None:
        assert not is_active(machine("a", phase))
        assert is_active(machine("a", "Unknown"))


class TestHealth:
    @pytest.mark.parametrize(
        ("found", "words"),
        [
            (None, "the Node object is missing"),
            (node(), "Ready is missing"),
            (node(Ready="Unknown"), "Ready is Unknown"),
            (node(Ready="True", NetworkUnavailable="True"), "NetworkUnavailable is True"),
            (node(Ready="True", DiskPressure="Unknown"), "DiskPressure is Unknown"),
            (node(Ready="True", NetworkUnavailable="False", MemoryPressure="True"), None),
            (node(Ready="True"), None),
        ],
    )
    def test_a_machine_is_as_healthy_as_its_node(self, found: Manifest | None, words: str | None) -> None:
        assert node_problem(found) == words

    def test_a_machine_becomes_available_after_min_ready_seconds(self) -> None:
        assert seconds_to_available(machine("a", ready_for=20.0), 30, NOW) == pytest.approx(10.0, abs=1.0)
        assert seconds_to_available(machine("a", ready_for=31.0), 30, NOW) == 0
        assert seconds_to_available(machine("a", ready_for=0.0), 0, NOW) == 0

    def test_provider_ids(self) -> None:
        assert zone_of("gce:///proj-1/europe-west1-b/vm") == "europe-west1-b"
        for wrong in ("", "aws:///a/b/c", "gce:///proj-1/vm", "gce:////europe-west1-b/vm"):
            with pytest.raises(ValueError, match="is not a provider ID"):
                zone_of(wrong)


class TestStatuses:
    def test_the_counts_of_a_set(self) -> None:
        machine_set = {"metadata": {"generation": 2}, "spec": {"minReadySeconds": 500}}
        gone = machine("gone", ready_for=900.0)
        gone["metadata"]["deletionTimestamp"] = rfc3339(NOW)
        found = [machine("a", ready_for=600.0), machine("b", ready_for=100.0), machine("c", "Pending"), gone]
        status, wait = set_status(machine_set, found, NOW)
        assert status == {
            "replicas": 4,
            "fullyLabeledReplicas": 4,
            "readyReplicas": 2,
            "availableReplicas": 1,
            "observedGeneration": 2,
        }
        assert wait == pytest.approx(400.0, abs=1.0)

    def test_a_deployment_counts_old_machines_until_the_last_is_gone(self) -> None:
        deployment = owned(NAME)
        counts = {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3}
        new = {"metadata": {"name": "new"}, "status": counts}
        old = {"metadata": {"name": "old"}, "status": {"replicas": 1}}
        during = deployment_status(deployment, new, [old], "t1")
        assert (during["replicas"], during["updatedReplicas"], during["availableReplicas"]) == (4, 3, 3)
        assert during["unavailableReplicas"] == 1
        assert during["observedGeneration"] == 4
        assert [each["reason"] for each in during["conditions"]] == ["MinimumReplicasAvailable", "MachineSetUpdated"]
        after = deployment_status({**deployment, "status": during}, new, [], "t2")
        assert after["replicas"] == 3
        assert after["conditions"][1]["message"] == 'MachineSet "new" has successfully progressed.'
        assert [each["lastTransitionTime"] for each in after["conditions"]] == ["t1", "t1"]
        assert [each["lastUpdateTime"] for each in after["conditions"]] == ["t1", "t2"]

    def test_too_few_available_machines_are_reported(self) -> None:
        status = deployment_status(owned(NAME), None, [], "t1")
        assert status["conditions"][0]["status"] == "False"
        assert status["unavailableReplicas"] == 3


class TestRequests:
    def test_the_body_of_a_single_stack_machine(self) -> None:
        body = instance_body("vm-1", provider_spec(networkInterfaces=[SINGLE_NIC]))
        assert body["networkInterfaces"] == [{"subnetwork": "regions/europe-west1/subnetworks/nodes"}]
        assert body["machineType"] == "zones/europe-west1-b/machineTypes/n1-standard-2"
        assert body["tags"]["items"][1] == "kubernetes-io-cluster-shoot--foo--bar"
        assert body["disks"][0]["initializeParams"]["diskSizeGb"] == "50"
        assert "serviceAccounts" not in body

    def test_the_body_of_a_dual_stack_machine_leaves_the_ranges_to_the_cloud(self) -> None:
        body = instance_body("vm-1", provider_spec(networkInterfaces=[DUAL_NIC]))
        assert body["networkInterfaces"] == [
            {
                "subnetwork": "regions/europe-west1/subnetworks/dual",
                "stackType": "IPV4_IPV6",
                "ipv6AccessType": "EXTERNAL",
                "aliasIpRanges": [{"ipCidrRange": "/24", "subnetworkRangeName": "ipv4-pod-cidr"}],
            }
        ]

    def test_an_external_address_is_requested_unless_it_is_disabled(self) -> None:
        body = instance_body("vm-1", provider_spec(networkInterfaces=[{"network": "vpc", "subnetwork": "nodes"}]))
        assert body["networkInterfaces"][0]["accessConfigs"] == [{}]
        assert body["networkInterfaces"][0]["network"] == "global/networks/vpc"

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"zone": ""}, "providerSpec.zone: Required value"),
            ({"networkInterfaces": []}, "providerSpec.networkInterfaces: Required value"),
            ({"networkInterfaces": [{}]}, "either network or subnetwork"),
            ({"networkInterfaces": [{**DUAL_NIC, "stackType": "IPV6"}]}, 'stackType: Unsupported value: "IPV6"'),
            ({"networkInterfaces": [{**DUAL_NIC, "ipv6accessType": "BOTH"}]}, "ipv6accessType: Unsupported value"),
            ({"networkInterfaces": [{**DUAL_NIC, "ipCidrRange": "/33"}]}, 'ipCidrRange: Invalid value: "/33"'),
            ({"networkInterfaces": [{**DUAL_NIC, "ipCidrRange": "24"}]}, 'ipCidrRange: Invalid value: "24"'),
        ],
    )
    def test_faults_of_a_class_are_named_by_field(self, changes: Manifest, fault: str) -> None:
        faults = class_faults(provider_spec(**changes))
        assert len(faults) == 1
        assert fault in faults[0]

    def test_every_fault_is_reported(self) -> None:
        assert len(class_faults({})) == 4
        assert class_faults(provider_spec()) == []


def test_a_drain_does_not_evict_daemon_pods_and_static_pods() -> None:
    def pod(name: str, owner: str, annotations: Manifest | None = None) -> Manifest:
        reference = {"kind": owner, "name": "x", "controller": True}
        return {"metadata": {"name": name, "ownerReferences": [reference], "annotations": annotations or {}}}

    static = pod("static", "Node", {"kubernetes.io/config.mirror": "x"})
    pods = [pod("web", "ReplicaSet"), pod("calico", "DaemonSet"), static]
    assert [each["metadata"]["name"] for each in movable(pods)] == ["web"]
