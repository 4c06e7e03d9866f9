"""Weaknesses of upstream that show without a cloud; docs/reference/weaknesses.md has the whole list."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.store_kube import StoreKube
from tests.unit.gardener.controllers.infrastructure.shoots import NS

from dualstack.clock import ScaledClock
from dualstack.gardener.controllers.cloud_controller_manager import CloudControllerManager
from dualstack.gardener.controllers.reporting import TaskFailed, task
from dualstack.gardener.error_codes import error_codes
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gce.errors import PolicyViolated, StaleFingerprint, operation_refusal, refusal
from dualstack.gce.resources import instance_reference
from dualstack.model.kinds import CRD, DEPLOYMENT, NAMESPACE, Kind, Manifest
from dualstack.preflight.finding import Cause, Finding, PreflightFailed
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.definitions import definitions

CLOCK = ScaledClock(time.time(), 10_000)


class Busy(StoreKube):
    """Another writer changes each object right before we do."""

    def __init__(self, store: KubeStore) -> None:
        super().__init__(store)
        self.store = store

    async def patch(self, kind: Kind, name: str, body: Any, namespace: str | None = None, **options: Any) -> Manifest:
        label = {"metadata": {"labels": {"written": str(len(self.writes))}}}
        self.store.patch(kind, name, label, namespace)
        return await super().patch(kind, name, body, namespace, **options)


async def test_w9_scaling_down_does_not_lose_against_another_writer() -> None:
    store = KubeStore(CLOCK, Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
    labels = {"role": "cloud-controller-manager"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    metadata = {"name": "cloud-controller-manager", "namespace": NS}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    store.upsert(DEPLOYMENT, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    resource = {"name": "extension-controlplane-seed", "namespace": NS}
    kind = {"apiVersion": MANAGED_RESOURCE.api_version, "kind": MANAGED_RESOURCE.kind}
    store.upsert(MANAGED_RESOURCE, kind | {"metadata": resource, "spec": {"secretRefs": []}})
    manager = CloudControllerManager(Busy(store), CLOCK, NS)
    await manager.stop()
    assert (await manager.observe()).gone


@pytest.mark.parametrize("link", ["", "x", "zones/z", "zones/z/instances", "a/b/c/d", "https://host/", "///"])
def test_w27_a_link_that_names_no_instance_is_none(link: str) -> None:
    assert instance_reference(link) is None


def test_w28_the_code_and_the_words_of_an_operation_reach_the_status() -> None:
    operation = {"name": "op-1", "error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'X' exceeded."}]}}
    cause = operation_refusal(operation, call="POST x")
    assert cause is not None
    with pytest.raises(TaskFailed) as caught, task("ensure worker subnet"):
        raise cause
    assert str(caught.value) == (
        "failed to \"ensure worker subnet\": POST x: QUOTA_EXCEEDED: operation 'op-1' failed: Quota 'X' exceeded."
    )
    assert caught.value.codes == ("ERR_INFRA_QUOTA_EXCEEDED",)


def test_w32_the_codes_say_what_is_in_the_way() -> None:
    def codes(*causes: Cause) -> tuple[str, ...]:
        return error_codes(
            PreflightFailed(
                Finding(id="x", status="problem", severity="blocker", object="x", evidence="y", cause=cause)
                for cause in causes
            )
        )

    assert codes("configuration") == ("ERR_CONFIGURATION_PROBLEM",)
    assert codes("quota") == ("ERR_INFRA_QUOTA_EXCEEDED",)
    assert codes("permission") == ("ERR_INFRA_UNAUTHORIZED",)
    assert codes("quota", "configuration") == ("ERR_CONFIGURATION_PROBLEM", "ERR_INFRA_QUOTA_EXCEEDED")
    assert codes("", "unavailable") == ("ERR_RETRYABLE_INFRA_DEPENDENCIES",), (
        "the state of the cluster and of the cloud may change by itself"
    )


def test_w32_a_policy_is_no_stale_fingerprint() -> None:
    def answer(message: str) -> dict[str, Any]:
        return {"error": {"message": message, "errors": [{"reason": "conditionNotMet"}]}}

    policy = refusal(412, answer("Constraint constraints/compute.disableVpcExternalIpv6 violated for projects/p."))
    assert isinstance(policy, PolicyViolated)
    assert policy.retry_after is None
    assert isinstance(refusal(412, answer("Invalid fingerprint.")), StaleFingerprint)
