"""The probing pods may write Leases of their own namespace and nothing else; all of theirs goes with it."""

from __future__ import annotations

from dualstack.prober.manifest import addresses_of, prober

ADDRESSES = ("100.127.255.2", "100.127.254.2")
MADE = prober("registry.example/dualstack:1", ADDRESSES)


def test_everything_is_in_the_namespace_that_comes_first() -> None:
    kinds = [kind.kind for kind, _ in MADE]
    assert kinds == ["Namespace", "ServiceAccount", "Role", "RoleBinding", "DaemonSet"]
    assert {manifest["metadata"].get("namespace", "dualstack-prober") for _, manifest in MADE} == {"dualstack-prober"}


def test_the_pods_have_an_address_of_the_pod_network_and_no_privileges() -> None:
    pod = MADE[-1][1]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "hostNetwork" not in pod
    assert {toleration["operator"] for toleration in pod["tolerations"]} == {"Exists"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == "registry.example/dualstack:1"
    assert (*container["command"], *container["args"]) == ("dualstack", "prober", *ADDRESSES)
    assert container["env"][0]["name"] == "NODE_NAME"


def test_what_they_probe_can_be_read_back() -> None:
    assert addresses_of(MADE[-1][1]) == ADDRESSES
