"""Both APIs and the control endpoint of a served world, as a plain HTTP client."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from dualstack.kube.connection import find_connection
from tests.support.api_servers import kubeconfig_for

SPEED = "200"
PROBED = ("--prober-image", "example.org/dualstack:1")
"""The option without which a cluster that does not watch its network is not changed."""
ZONE = "zones/europe-west1-b"
CCM = "/apis/apps/v1/namespaces/kube-system/daemonsets/cloud-controller-manager"

Result = TypeVar("Result")


class Client:
    """Both APIs and the control endpoint of one world."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._compute, self._control = facts["computeEndpoint"], facts["controlEndpoint"]
        self._project = f"/compute/v1/projects/{facts['project']}/"

    def kube(self, path: str, method: str = "GET", body: Any = None) -> Any:
        found = find_connection(kubeconfig_for(self._facts, path))
        authority = base64.b64decode(found.cluster.certificate_auth_data or "").decode()
        return _call(found.cluster.server, path, method, body, found.user.token if found.user else None, authority)

    def compute(self, path: str, method: str = "GET", body: Any = None) -> Any:
        return _call(self._compute, self._project + path, method, body)

    def control(self, path: str, method: str = "GET", body: Any = None) -> Any:
        return _call(self._control, path, method, body)

    def nodes(self) -> dict[str, Any]:
        return {node["metadata"]["name"]: node for node in self.kube("/api/v1/nodes")["items"]}

    def routes(self) -> dict[str, str]:
        """The destinations of the routes of nodes, by name."""
        items = self.compute("global/routes")["items"]
        return {each["name"]: each["destRange"] for each in items if each.get("description") == "k8s-node-route"}

    def named_routes(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.compute("global/routes")["items"] if each["name"] == name]

    def delete_route(self, name: str) -> None:
        self.compute(f"global/routes/{name}", "DELETE")
        self.eventually(lambda: name not in self.routes())

    def give_alias(self, name: str) -> None:
        """Flag, range, and the alias of one node."""
        node = self.nodes()[name]
        vm = f"zones/{node['spec']['providerID'].split('/')[3]}/instances/{name}"
        interface = self.compute(vm)["networkInterfaces"][0]
        subnet = "regions/europe-west1/subnetworks/" + interface["subnetwork"].rpartition("/")[2]
        pods = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}
        for change in ({"allowSubnetCidrRoutesOverlap": True}, {"secondaryIpRanges": [pods]}):
            fingerprint = self.compute(subnet)["fingerprint"]
            self.compute(subnet, "PATCH", {"fingerprint": fingerprint, **change})
            self.pass_time(60.0)
        alias = {"ipCidrRange": node["spec"]["podCIDR"], "subnetworkRangeName": "ipv4-pod-cidr"}
        body = {"aliasIpRanges": [alias], "fingerprint": interface["fingerprint"]}
        self.compute(f"{vm}/updateNetworkInterface?networkInterface=nic0", "PATCH", body)

    def create_vm(self, name: str, *aliases: dict[str, str]) -> None:
        body = {
            "name": name,
            "machineType": f"{ZONE}/machineTypes/n1-standard-2",
            "canIpForward": True,
            "tags": {"items": ["bar-node"]},
            "metadata": {"items": [{"key": "disable-address-manager", "value": "true"}]},
            "networkInterfaces": [
                {"subnetwork": "regions/europe-west1/subnetworks/bar-nodes", "aliasIpRanges": list(aliases)}
            ],
        }
        self.compute(f"{ZONE}/instances", "POST", body)

    def ready(self, name: str) -> Any:
        """The Node, once it is Ready and has a pod CIDR."""
        node = self.nodes().get(name)
        return node if node and node["spec"].get("podCIDR") and condition(node, "Ready") == "True" else None

    def configure(self, **flags: str) -> None:
        """Edit flags of cloud-controller-manager, as with `kubectl edit`, and wait for its new pod alone."""
        found = self.kube(CCM)
        container = found["spec"]["template"]["spec"]["containers"][0]
        changed = {f"--{name.replace('_', '-')}": value for name, value in flags.items()}
        kept = [word for word in container["args"] if word.split("=")[0] not in changed]
        container["args"] = [*kept, *(f"{name}={value}" for name, value in changed.items())]
        self.kube(CCM, "PUT", found)
        self.eventually(lambda: self.pods_of("cloud-controller-manager") == [(container["args"], "Running")])

    def pods_of(self, component: str) -> list[tuple[list[str], str]]:
        """The arguments, else the command, and the phase of each pod."""
        pods = self.kube(f"/api/v1/namespaces/kube-system/pods?labelSelector=component%3D{component}")["items"]
        containers = [pod["spec"]["containers"][0] for pod in pods]
        words = [each.get("args") or each["command"] for each in containers]
        return [(each, pod["status"]["phase"]) for each, pod in zip(words, pods, strict=True)]

    def traffic(self) -> Any:
        return self.control("/traffic")

    def eventually(self, look: Callable[[], Result | None]) -> Result:
        deadline = time.monotonic() + 60.0
        while not (seen := look()):
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.1)
        return seen

    def pass_time(self, seconds: float) -> None:
        """Wait until this many simulated seconds have passed."""
        until = self.control("/clock")["now"] + seconds
        self.eventually(lambda: self.control("/clock")["now"] >= until)


def _call(server: str, path: str, method: str, body: Any = None, token: str | None = None, authority: str = "") -> Any:
    host = server.partition("://")[2]
    if authority:
        context = ssl.create_default_context(cadata=authority)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, timeout=30, context=context)
    else:
        connection = http.client.HTTPConnection(host, timeout=30)
    with closing(connection):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        content = json.load(answer)
        assert answer.status < 300, content
        return content


def condition(node: dict[str, Any], kind: str) -> str:
    return next((each["status"] for each in node["status"]["conditions"] if each["type"] == kind), "")
