"""Each check of what the owner of a live cluster judges in its project: firewalls, NAT, routes, other programs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from dualstack.gce import Resource
from dualstack.gce.errors import PermissionDenied
from dualstack.preflight.inventory import Answer, Inventory, Source
from tests.support.cluster_facts import PODS, at_rest
from tests.unit.preflight.inventories import (
    ADMITS_IPV6,
    INVENTORY,
    NODES_SUBNET,
    answering,
    denied,
    findings,
    item,
    metadata,
    problems,
    route,
    router,
    subnet,
    with_answer,
)


def rule(**fields: Any) -> Resource:
    return {**ADMITS_IPV6, "name": "open", "sourceRanges": ["::/0"], "allowed": [tcp("22")], **fields}


def tcp(*ports: str) -> Resource:
    return {"IPProtocol": "tcp", "ports": list(ports)}


def denying(*ports: str) -> Resource:
    return rule(name="no", allowed=None, denied=[tcp(*ports)])


def effective(*policies: Resource, rules: tuple[Resource, ...] = (), order: str = "") -> Inventory:
    """The firewalls of the nodes of one pool, and whether policies of the network come first."""
    (network,) = INVENTORY.of("network")
    inventory = with_answer("network", [{**network, "networkFirewallPolicyEnforcementOrder": order}])
    answer: Resource = {"pool": "w", "firewalls": list(rules), "firewallPolicys": list(policies)}
    return with_answer("effective firewalls", [answer], inventory)


def policy(*rules: Resource, kind: str = "HIERARCHY", name: str = "base") -> Resource:
    return {"name": "123", "shortName": name, "type": kind, "rules": list(rules)}


def of_policy(action: str, priority: int, protocol: str = "all", *ports: str, **match: Any) -> Resource:
    traffic = {"ipProtocol": protocol, **({"ports": list(ports)} if ports else {})}
    conditions = {"srcIpRanges": ["::/0"], "layer4Configs": [traffic], **match}
    return {"action": action, "priority": priority, "direction": "INGRESS", "match": conditions}


def without_priority(rule_of_policy: Resource) -> Resource:
    return {key: value for key, value in rule_of_policy.items() if key != "priority"}


@pytest.mark.parametrize(
    ("fields", "evidence"),
    [
        ({}, "it allows tcp 22 from ::/0 to all VMs of the network"),
        ({"targetTags": ["bastion"]}, "it allows tcp 22 from ::/0 to targets bastion"),
        ({"targetServiceAccounts": ["x@y"]}, "it allows tcp 22 from ::/0 to targets x@y"),
        ({"direction": "EGRESS"}, None),
        ({"disabled": True}, None),
        ({"sourceRanges": ["2600::/32"]}, None),
        ({"allowed": None, "denied": [tcp()]}, None),
        ({"network": "https://x/networks/other"}, None),
    ],
)
def test_where_effective_firewalls_cannot_be_read_the_rules_of_the_network_are_named(
    fields: Resource, evidence: str | None
) -> None:
    inventory = denied("effective firewalls", answering("firewalls", rule(**fields)))
    lines = problems(inventory, "ipv6-exposure")
    assert lines == ([f"firewall rule open: {evidence}"] if evidence else [])
    unknown = [each for each in findings(inventory, "ipv6-exposure") if each.status == "unknown"]
    assert [each.cause for each in unknown] == ["permission"]


SSH = "it allows tcp 22 from ::/0 to the nodes"


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        (effective(rules=(rule(),)), [f"firewall rule open: {SSH}"]),
        (effective(rules=(rule(), rule(name="no", allowed=None, denied=[tcp("20-30")], priority=9))), []),
        (effective(rules=(rule(direction="EGRESS"),)), []),
        (effective(rules=(rule(disabled=True),)), []),
        (effective(rules=(rule(), rule(name="no", allowed=None, denied=[tcp("22")]))), []),
        (effective(rules=(rule(), rule(name="no", allowed=None, denied=[tcp("22")], priority=1000))), []),
        (effective(rules=(rule(), rule(name="no", allowed=None, denied=[tcp("22")], priority=1001))), [SSH]),
        (effective(rules=(rule(), rule(name="no", allowed=None, denied=[{"IPProtocol": "udp"}], priority=1))), [SSH]),
        (effective(rules=(rule(allowed=[tcp()]), denying("0-65535"))), []),
        (effective(rules=(rule(allowed=[tcp()]), denying("0-65534"))), ["it allows tcp from ::/0 to the nodes"]),
        (effective(rules=(rule(allowed=[tcp()]), denying("1-65535"))), ["it allows tcp from ::/0 to the nodes"]),
        (effective(policy(of_policy("deny", 5)), rules=(rule(),)), []),
        (effective(policy(of_policy("deny", 5), kind="NETWORK"), rules=(rule(),)), [SSH]),
        (effective(policy(of_policy("deny", 5), kind="NETWORK"), rules=(rule(),), order="BEFORE_CLASSIC_FIREWALL"), []),
        (effective(policy(of_policy("goto_next", 1), of_policy("deny", 5)), rules=(rule(),)), [SSH]),
        (effective(policy(of_policy("deny", 5, srcSecureTags=[{"name": "t"}])), rules=(rule(),)), [SSH]),
        (
            effective(policy(of_policy("allow", 7, "tcp", "443", "8000-9000"))),
            ["hierarchical firewall policy base: its rule 7 allows tcp 443 8000-9000 from ::/0 to the nodes"],
        ),
        (effective(policy(of_policy("deny", 1, "tcp"), of_policy("allow", 7, "tcp", "443"))), []),
        (effective(policy(of_policy("allow", 7), of_policy("deny", 1))), []),
        (effective(policy(of_policy("deny", 1), without_priority(of_policy("allow", 7)))), ["its rule 0 allows all"]),
        (
            effective(policy(of_policy("apply_security_profile_group", 3, "tcp"), kind="NETWORK_REGIONAL")),
            ["firewall policy base: its rule 3 inspects and allows tcp from ::/0 to the nodes"],
        ),
        (effective(policy(of_policy("allow", 7, srcIpRanges=[], srcNetworkType="INTERNET"))), ["its rule 7 allows"]),
        (effective(policy(of_policy("allow", 7, srcIpRanges=["2600::/16"], srcNetworkType="INTERNET"))), []),
        (effective(policy(of_policy("allow", 7, srcIpRanges=[], srcNetworkContext="INTERNET"))), ["its rule 7 allows"]),
        (effective(policy(of_policy("allow", 7, srcNetworkType="NON_INTERNET"))), []),
        (effective(policy(of_policy("allow", 7, srcIpRanges=[]))), []),
        (effective(policy(of_policy("allow", 7, layer4Configs=[{}]))), ["its rule 7 allows all from ::/0"]),
        (effective(policy(of_policy("allow", 7, srcIpRanges=["10.0.0.0/8", "2600::/16"]))), []),
        (effective(policy({**of_policy("allow", 7), "direction": "EGRESS"})), []),
        (effective(policy({**of_policy("allow", 7), "disabled": True})), []),
        (effective(policy({**of_policy("allow", 7), "targetType": "INTERNAL_MANAGED_LB"})), []),
        (effective(), []),
    ],
)  # fmt: skip
def test_rules_and_policies_that_admit_the_internet_over_ipv6_are_named_in_their_order(
    inventory: Inventory, expected: list[str]
) -> None:
    lines = problems(inventory, "ipv6-exposure")
    assert len(lines) == len(expected)
    assert all(part in line for part, line in zip(expected, lines, strict=True))


def test_an_exposed_pool_is_named_where_others_are_not_and_each_policy_has_its_command() -> None:
    open_, closed = policy(of_policy("allow", 7), kind="NETWORK_REGIONAL"), policy()
    answers = [{"pool": pool, "firewallPolicys": [each]} for pool, each in (("a", open_), ("b", closed))]
    (found,) = findings(with_answer("effective firewalls", answers), "ipv6-exposure")
    assert found.evidence == "its rule 7 allows all from ::/0 to pool a"
    two = with_answer("effective firewalls", [{**answers[0], "pool": "c"}, *answers])
    assert findings(two, "ipv6-exposure")[0].evidence == "its rule 7 allows all from ::/0 to pools a, c"
    assert found.fix == (
        "gcloud compute network-firewall-policies rules describe 7 --firewall-policy base "
        "--firewall-policy-region europe-west1 --project p"
    )


@pytest.mark.parametrize(
    ("policies", "order", "denied_by"),
    [
        ([policy(of_policy("deny", 5))], "", "hierarchical firewall policy base"),
        ([policy(of_policy("deny", 5, "58"))], "", "hierarchical firewall policy base"),
        ([policy(of_policy("deny", 5), kind="NETWORK")], "BEFORE_CLASSIC_FIREWALL", "firewall policy base"),
        ([policy(of_policy("deny", 5), kind="NETWORK")], "AFTER_CLASSIC_FIREWALL", None),
        ([policy(of_policy("allow", 1, srcIpRanges=["2600:1900:1::/64"]), of_policy("deny", 5))], "", None),
        ([policy(of_policy("allow", 1, srcIpRanges=["2600:1900:1::7/64"]), of_policy("deny", 5))], "", None),
        ([policy(of_policy("allow", 1, srcIpRanges=["2600:1900:2::/64"]), of_policy("deny", 5))], "", "its rule 5"),
        ([policy(of_policy("goto_next", 1)), policy(of_policy("goto_next", 1))], "", None),
    ],
)
def test_a_policy_that_denies_ipv6_before_the_rules_of_the_network_is_a_risk_on_every_platform(
    policies: list[Resource], order: str, denied_by: str | None
) -> None:
    nodes = subnet(NODES_SUBNET, "10.250.0.0/16", externalIpv6Prefix="2600:1900:1::/64")
    inventory = with_answer("subnetworks", [nodes], effective(*policies, order=order))
    for platform in ("gardener", "kubeadm"):
        (found,) = findings(replace(inventory, platform=platform), "ipv6-firewall")
        assert (found.status == "problem") is (denied_by is not None)
        assert (denied_by or "") in f"{found.object}: {found.evidence}"


def test_a_firewall_rule_that_denies_ipv6_is_no_policy_that_comes_before_the_rules() -> None:
    inventory = effective(rules=(rule(allowed=None, denied=[{"IPProtocol": "all"}]),))
    assert problems(inventory, "ipv6-firewall") == []


@pytest.mark.parametrize(
    ("names", "shown"),
    [({"displayName": "by folder"}, "by folder"), ({"shortName": None, "name": "123"}, "123")],
)
def test_a_policy_is_called_by_the_most_readable_of_its_names(names: Resource, shown: str) -> None:
    given = {key: value for key, value in policy(of_policy("allow", 7)).items() if key != "shortName"}
    assert problems(effective(given | names), "ipv6-exposure") == [
        f"hierarchical firewall policy {shown}: its rule 7 allows all from ::/0 to the nodes"
    ]


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        ([], True),
        ([rule(sourceRanges=["10.0.0.0/8"], allowed=[{"IPProtocol": "all"}])], True),
        ([rule(sourceRanges=["2600::/64"])], True),
        ([rule(sourceRanges=["2600::/64"], allowed=[{"IPProtocol": "58"}])], False),
        ([ADMITS_IPV6], False),
        ([{**ADMITS_IPV6, "disabled": True}], True),
        ([denying()], True),
    ],
)
def test_a_network_without_rules_for_ipv6_and_icmpv6_is_a_risk(rules: list[Resource], missing: bool) -> None:
    inventory = with_answer("firewalls", rules)
    (one,) = findings(inventory, "ipv6-firewall")
    assert (one.status, bool(one.fix)) == (("problem", True) if missing else ("ok", False))
    (gardener,) = findings(replace(inventory, platform="gardener"), "ipv6-firewall")
    assert gardener.status == "not-applicable"


def test_sources_by_tag_and_service_account_are_noted() -> None:
    tagged = rule(sourceRanges=None, sourceTags=["a"])
    account = rule(name="account", sourceRanges=None, sourceServiceAccounts=["x@y"])
    assert problems(answering("firewalls", tagged, account), "firewall-sources") == [
        "network vpc: rules account, open have source tags or source service accounts"
    ]
    assert problems(answering("firewalls", rule(sourceTags=["a"])), "firewall-sources") == []


def nat(scope: str, *ranges: str, name: str = NODES_SUBNET) -> Resource:
    entry = {"name": f"https://x/subnetworks/{name}", "sourceIpRangesToNat": list(ranges)}
    return {"name": "n", "sourceSubnetworkIpRangesToNat": scope, "subnetworks": [entry] if ranges else []}


@pytest.mark.parametrize(
    ("gateway", "primary"),
    [
        (nat("ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"), True),
        (nat("LIST_OF_SUBNETWORKS", "PRIMARY_IP_RANGE"), True),
        (nat("LIST_OF_SUBNETWORKS", "PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"), True),
        (nat("LIST_OF_SUBNETWORKS", "ALL_IP_RANGES"), False),
        (nat("LIST_OF_SUBNETWORKS", "PRIMARY_IP_RANGE", name="other"), False),
        (nat("ALL_SUBNETWORKS_ALL_IP_RANGES"), False),
    ],
)
def test_a_nat_without_secondary_ranges_is_a_risk_and_any_nat_is_a_note(gateway: Resource, primary: bool) -> None:
    inventory = answering("routers", router(name="gw", nats=[gateway]))
    assert bool(problems(inventory, "nat-ranges")) is primary
    assert problems(inventory, "ipv6-egress") == ["Cloud NAT gw/n: IPv4 connections leave with its addresses"]
    elsewhere = answering("routers", router(name="gw", nats=[gateway], region="https://x/regions/us-east1"))
    assert not problems(elsewhere, "nat-ranges") + problems(elsewhere, "ipv6-egress")


def test_a_second_nat_may_translate_the_range_of_the_pods() -> None:
    primary, pods = nat("LIST_OF_SUBNETWORKS", "PRIMARY_IP_RANGE"), nat("LIST_OF_SUBNETWORKS", "ALL_IP_RANGES")
    pods["subnetworks"][0] |= {
        "sourceIpRangesToNat": ["LIST_OF_SECONDARY_IP_RANGES"],
        "secondaryIpRangeNames": ["ipv4-pod-cidr"],
    }
    assert not problems(answering("routers", router(name="gw", nats=[primary, pods])), "nat-ranges")
    private = primary | {"type": "PRIVATE"}
    assert not problems(answering("routers", router(name="gw", nats=[private])), "nat-ranges")


DENIED = PermissionDenied("forbidden", "may not list")
AGENT = {"metadata": {"name": "ip-masq-agent"}}
PRIMARY_ONLY = answering("routers", router(name="gw", nats=[nat("ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES")]))


def agent_config(*ranges: str) -> Resource:
    return {"metadata": {"name": "ip-masq-agent"}, "data": {"config": json.dumps({"nonMasqueradeCIDRs": ranges})}}


def ip_pool(cidr: str, *, outgoing: bool = True) -> Resource:
    return {"metadata": {"name": f"pool-{cidr}"}, "spec": {"cidr": cidr, "natOutgoing": outgoing}}


def cilium_config(native: str = "") -> Resource:
    data = {"enable-ipv4-masquerade": "true", **({"ipv4-native-routing-cidr": native} if native else {})}
    return {"metadata": {"name": "cilium-config"}, "data": data}


@pytest.mark.parametrize(
    ("answers", "evidence"),
    [
        ({"daemon sets": [AGENT]}, "DaemonSet kube-system/ip-masq-agent"),
        ({"daemon sets": [AGENT], "config maps": [agent_config("10.0.0.0/8")]}, "DaemonSet kube-system/ip-masq-agent"),
        ({"config maps": [cilium_config(PODS)]}, "ConfigMap kube-system/cilium-config has enable-ipv4-"),
        ({"ip pools": [ip_pool(PODS)]}, "IPPool pool-10."),
        ({"ip pools": [ip_pool("10.96.0.0/12"), ip_pool("10.112.0.0/12")]}, "IPPool pool-10."),
        ({"ip pools": [ip_pool(PODS)], "daemon sets": DENIED}, "IPPool pool-10."),
    ],
)
def test_the_ranges_of_a_nat_do_not_matter_where_nodes_masquerade_their_pods(
    answers: dict[Source, Answer], evidence: str
) -> None:
    (found,) = findings(replace(PRIMARY_ONLY, answers={**PRIMARY_ONLY.answers, **answers}), "nat-ranges")
    assert found.status == "not-applicable"
    assert found.evidence.startswith(f"packets of pods leave with the address of their node: {evidence}")


@pytest.mark.parametrize(
    "answers",
    [
        {"daemon sets": [AGENT], "config maps": [agent_config("0.0.0.0/1", "128.0.0.0/1", "fd00::/8")]},
        {"config maps": [cilium_config("0.0.0.0/0")]},
        {"ip pools": [ip_pool(PODS, outgoing=False)]},
        {"ip pools": [ip_pool("10.96.0.0/12"), ip_pool("fd00::/48")]},
    ],
)
def test_a_program_that_does_not_masquerade_every_pod_leaves_the_risk(answers: dict[Source, Answer]) -> None:
    assert problems(replace(PRIMARY_ONLY, answers={**PRIMARY_ONLY.answers, **answers}), "nat-ranges")


@pytest.mark.parametrize(
    "answers",
    [
        {"daemon sets": DENIED},
        {"ip pools": DENIED},
        {"daemon sets": [AGENT], "config maps": DENIED},
        {"daemon sets": [AGENT], "config maps": [{**AGENT, "data": {"config": "- no mapping"}}]},
        {"daemon sets": [AGENT], "config maps": [{**AGENT, "data": {"config": "nonMasqueradeCIDRs: 7"}}]},
        {"daemon sets": [AGENT], "config maps": [{**AGENT, "data": {"config": "nonMasqueradeCIDRs: 0.0.0.0/0"}}]},
    ],
)
def test_whether_nodes_masquerade_is_unknown_where_it_cannot_be_read(answers: dict[Source, Answer]) -> None:
    (found,) = findings(replace(PRIMARY_ONLY, answers={**PRIMARY_ONLY.answers, **answers}), "nat-ranges")
    assert found.status == "unknown"
    assert findings(replace(INVENTORY, answers={**INVENTORY.answers, **answers}), "nat-ranges")[0].status == "ok"


@pytest.mark.parametrize(
    ("destination", "tags", "check"),
    [
        ("10.96.7.0/24", ["a"], "tagged-routes"),
        ("10.96.7.0/24", [], None),
        ("10.1.0.0/16", ["a"], None),
        ("10.0.0.0/8", [], "broader-routes"),
        ("10.0.0.0/8", ["a"], "broader-routes"),
        ("0.0.0.0/0", [], None),
        ("10.96.0.0/11", [], None),
    ],
)
def test_routes_that_a_hybrid_subnet_does_not_try_are_named(
    destination: str, tags: list[str], check: str | None
) -> None:
    inventory = answering("routes", route("r", destination, tags=tags))
    found = {each for each in ("tagged-routes", "broader-routes") if problems(inventory, each)}
    assert found == ({check} if check else set())


def managed(**fields: Any) -> Inventory:
    vm = {"name": "node-0", "metadata": metadata(disable_address_manager="true"), **fields}
    return with_answer("machine metadata", [vm])


def test_who_else_manages_the_subnet_is_named_with_what_to_add() -> None:
    (labelled,) = findings(managed(labels={"goog-terraform-provisioned": "true"}), "subnet-manager")
    assert "label goog-terraform-provisioned shows that Terraform manages it" in labelled.evidence
    assert 'ip_cidr_range = "10.96.0.0/11"' in labelled.fix
    described = subnet(NODES_SUBNET, "10.250.0.0/16", description="Managed by Terraform")
    assert problems(with_answer("subnetworks", [described]), "subnet-manager") == [
        f"subnet {NODES_SUBNET}: its description names Terraform"
    ]
    assert problems(managed(labels={"managed-by-cnrm": "true"}), "subnet-manager") != []
    assert problems(managed(labels={"managed-by-cnrm": "false", "team": "a"}), "subnet-manager") == []
    own = item("infra/nodes", spec={"resourceID": NODES_SUBNET})
    (reconciled,) = findings(with_answer("config connector", [own, item("infra/x")]), "subnet-manager")
    assert reconciled.object == "ComputeSubnetwork infra/nodes"
    assert "reconcile-interval-in-seconds=0" in reconciled.fix


def test_a_managed_instance_group_that_creates_the_vms_is_named() -> None:
    inventory = managed(metadata=metadata(created_by="projects/1/zones/z/instanceGroupManagers/workers"))
    assert problems(inventory, "instance-templates") == ["instance group workers: it has created VM node-0"]
    assert findings(replace(inventory, platform="gardener"), "instance-templates")[0].status == "not-applicable"
    assert problems(managed(), "instance-templates") == []
    assert problems(with_answer("machine metadata", [{"name": "node-0"}]), "instance-templates") == []
    assert problems(replace(inventory, observed=at_rest(0)), "instance-templates") != []
