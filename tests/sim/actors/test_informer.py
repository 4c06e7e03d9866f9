"""The shared caches and the API clients, against the simulated APIs over HTTP."""

from __future__ import annotations

import pytest

from dualstack.gardener.model.kinds import MACHINE
from dualstack.model.kinds import CONFIG_MAP, DEPLOYMENT, POD, Kind, Manifest
from dualstack_sim.actors.refusals import AlreadyExists, Conflict, KubeRefusal, NotFound, TooManyRequests, Unreachable
from tests.sim.actors.fixtures import ZONE, deployment, running_actors, template

BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")


def config_map(name: str, **data: str) -> Manifest:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


async def test_a_cache_follows_changes_and_reports_old_and_new_objects() -> None:
    async with running_actors(lambda _: []) as env:
        env.store.create(CONFIG_MAP, config_map("a", value="1"))
        informer = env.context.informers.of(CONFIG_MAP)
        heard: list[tuple[str | None, str | None]] = []
        await env.context.informers.synced(CONFIG_MAP)

        def note(old: Manifest | None, new: Manifest | None) -> None:
            heard.append(tuple((each or {}).get("data", {}).get("value") for each in (old, new)))

        informer.index("value", lambda manifest: [manifest.get("data", {}).get("value")])
        informer.subscribe(note)
        env.store.patch(CONFIG_MAP, "a", {"data": {"value": "2"}}, "default")
        await env.eventually(lambda: informer.indexed("value", "2"))
        assert informer.indexed("value", "1") == []
        await env.context.kube.delete(CONFIG_MAP, "a", "default")
        await env.eventually(lambda: informer.get("a", "default") is None)
        assert heard == [(None, "1"), ("1", "2"), ("2", None)]
        assert informer.all("default") == []


async def test_an_actor_reads_its_own_writes_and_no_deleted_objects() -> None:
    async with running_actors(lambda _: []) as env:
        informer = env.context.informers.of(CONFIG_MAP)
        await env.context.informers.synced(CONFIG_MAP)
        created = await env.context.kube.create(CONFIG_MAP, config_map("a", value="1"))
        informer.observe(created)
        assert informer.get("a", "default") == created
        newer = await env.context.kube.patch(CONFIG_MAP, "a", {"data": {"value": "2"}}, "default")
        informer.observe(newer)
        informer.observe(created)
        assert informer.get("a", "default") == newer
        await env.context.kube.delete(CONFIG_MAP, "a", "default")
        informer.forget(newer)
        informer.observe(newer)
        assert informer.get("a", "default") is None


async def test_a_cache_survives_watches_that_end() -> None:
    async with running_actors(lambda _: []) as env:
        informer = env.context.informers.of(CONFIG_MAP)
        await env.context.informers.synced(CONFIG_MAP)
        await env.clock.sleep(2.0)
        env.store.storage.close_watches()
        env.store.create(CONFIG_MAP, config_map("b"))
        assert await env.eventually(lambda: informer.get("b", "default"))


async def test_errors_are_typed() -> None:
    async with running_actors(lambda _: []) as env:
        kube = env.context.kube
        assert await kube.get(POD, "none", "default") is None
        assert await kube.delete(POD, "none", "default") is None
        with pytest.raises(NotFound):
            await kube.patch(POD, "none", {}, "default")
        created = await kube.create(CONFIG_MAP, config_map("a"))
        with pytest.raises(AlreadyExists):
            await kube.create(CONFIG_MAP, config_map("a"))
        await kube.patch(CONFIG_MAP, "a", {"data": {"x": "y"}}, "default")
        with pytest.raises(Conflict):
            await kube.replace(CONFIG_MAP, created)
        with pytest.raises(Conflict):
            await kube.delete(CONFIG_MAP, "a", "default", uid="another")
        with pytest.raises(KubeRefusal, match=r"media type"):
            await kube.patch(MACHINE, "a", {}, "default", patch_type="strategic")


async def test_an_eviction_that_a_budget_forbids_is_reported() -> None:
    async with running_actors(lambda _: []) as env:
        selector = {"matchLabels": {"app": "web"}}
        env.store.create(
            BUDGET,
            {"metadata": {"name": "web", "namespace": "default"}, "spec": {"minAvailable": 1, "selector": selector}},
        )
        pod = {**template("web", nodeName="somewhere")}
        pod["metadata"] = {**pod["metadata"], "name": "web", "namespace": "default"}
        env.store.create(POD, pod)
        env.store.patch(
            POD,
            "web",
            {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
            "default",
            subresource="status",
        )
        with pytest.raises(TooManyRequests) as caught:
            await env.context.kube.evict("web", "default")
        assert caught.value.details["causes"][0]["reason"] == "DisruptionBudget"


async def test_scaling_goes_through_the_subresource() -> None:
    async with running_actors(lambda _: []) as env:
        env.store.create(DEPLOYMENT, deployment("web", 3))
        await env.context.kube.scale(DEPLOYMENT, "web", "default", 1)
        assert env.get(DEPLOYMENT, "web", "default")["spec"]["replicas"] == 1


async def test_a_server_that_does_not_answer_is_unreachable() -> None:
    async with running_actors(lambda _: []) as env:
        kube = type(env.context.kube)("http://127.0.0.1:9", env.context.kube._session)
        with pytest.raises(Unreachable):
            await kube.get(POD, "a", "default")


async def test_compute_operations_are_awaited() -> None:
    async with running_actors(lambda _: []) as env:
        compute = env.context.compute
        env.place_vm("vm-1")
        assert await compute.get(f"{ZONE}/instances/none") is None
        names = [each["name"] for each in await compute.list(f"{ZONE}/instances", matching="name = vm-1")]
        assert names == ["vm-1"]
        fields = "items/*/instances(name,tags/items),nextPageToken"
        (found,) = await compute.aggregated("instances", fields=fields)
        assert found["name"] == "vm-1"
        assert "kubernetes-io-role-node" in found["tags"]["items"]
        done = await compute.wait(await compute.delete(f"{ZONE}/instances/vm-1"))
        assert done["status"] == "DONE"
        assert await compute.get(f"{ZONE}/instances/vm-1") is None
