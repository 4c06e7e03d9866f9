"""One value inside the text of a configuration file changes; the rest of the text stays as it is, to the byte."""

from __future__ import annotations

import pytest
import yaml

from dualstack.model.texts import json_object, with_json_object, with_yaml_value

ONE, BOTH = "100.96.0.0/11", "100.96.0.0/11,2001:db8::/56"

SCALARS = {
    "plain": "a: 1\nclusterCIDR: 100.96.0.0/11\nmode: ipvs\n",
    "in double quotes": 'clusterCIDR: "100.96.0.0/11"\n',
    "in single quotes": "clusterCIDR: '100.96.0.0/11'\n",
    "quoted key": '"clusterCIDR" : 100.96.0.0/11\n',
    "with a comment behind": "clusterCIDR: 100.96.0.0/11   # by a chart\nb: 2\n",
    "comments around": "# before\nclusterCIDR: 100.96.0.0/11\n# after\n\nb: {c: 1}\n",
    "no newline at the end": "a: 1\nclusterCIDR: 100.96.0.0/11",
    "CRLF": "# x\r\na: |\r\n  text\r\nclusterCIDR: 100.96.0.0/11\r\nb: 2\r\n",
    "document marker": "---\nclusterCIDR: 100.96.0.0/11\n",
    "document end": "clusterCIDR: 100.96.0.0/11\n...\n",
    "JSON in one line": '{"mode":"ipvs","clusterCIDR":"100.96.0.0/11","x":null}',
    "JSON in lines": '{\n\t"clusterCIDR": "100.96.0.0/11",\n\t"other": [1,  2]\n}\n',
    "same key below": "x:\n  clusterCIDR: 10.0.0.0/8\nclusterCIDR: 100.96.0.0/11\n",
    "a text that looks like it": "x: |\n  clusterCIDR: 10.0.0.0/8\nclusterCIDR: 100.96.0.0/11\n",
    "other characters": "x: ü \U0001f600\nclusterCIDR: 100.96.0.0/11\n",
}


@pytest.mark.parametrize("text", SCALARS.values(), ids=SCALARS)
def test_p05_only_the_text_of_the_value_changes(text: str) -> None:
    changed = with_yaml_value(text, "clusterCIDR", BOTH)

    assert changed == text.replace(ONE, BOTH)
    assert with_yaml_value(changed, "clusterCIDR", BOTH) == changed
    assert with_yaml_value(changed, "clusterCIDR", ONE) == text


LISTS = {
    "not indented": "clusterDNS:\n- 100.64.0.10\nmaxPods: 110\n",
    "indented": "clusterDNS:\n    - '100.64.0.10'\n\n# pods\nmaxPods: 110\n",
    "comments": "clusterDNS: # of kube-dns\n# first\n- 100.64.0.10 # IPv4\n# behind\n",
    "CRLF": "clusterDNS:\r\n- 100.64.0.10\r\nmaxPods: 110\r\n",
    "no newline at the end": "maxPods: 110\nclusterDNS:\n  - 100.64.0.10",
    "flow": "clusterDNS: [100.64.0.10] # one\nmaxPods: 110\n",
    "JSON": '{"clusterDNS": ["100.64.0.10"], "maxPods": 110}\n',
    "JSON in lines": '{\n  "clusterDNS": [\n    "100.64.0.10"\n  ]\n}\n',
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_p05_a_list_gets_another_entry_and_loses_it_again(text: str) -> None:
    changed = with_yaml_value(text, "clusterDNS", ["100.64.0.10", "fd00::a"])

    assert yaml.safe_load(changed) == {**yaml.safe_load(text), "clusterDNS": ["100.64.0.10", "fd00::a"]}
    assert all(line.rstrip() in changed for line in text.splitlines() if "100.64" not in line)
    assert with_yaml_value(changed, "clusterDNS", ["100.64.0.10"]) == text


REFUSED = {
    "two documents": ("a: 1\n---\nclusterCIDR: 1.0.0.0/8\n", "it is not YAML"),
    "a list": ("- clusterCIDR: 1.0.0.0/8\n", "it is not a mapping"),
    "set twice": ("clusterCIDR: 1.0.0.0/8\nclusterCIDR: 2.0.0.0/8\n", '"clusterCIDR" is set 2 times'),
    "used elsewhere": ("clusterCIDR: &pods 1.0.0.0/8\nother: *pods\n", '"clusterCIDR" cannot be changed alone'),
    "of another place": ("base: &b {clusterCIDR: 1.0.0.0/8}\n<<: *b\n", '"clusterCIDR" is not set'),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_p05_what_cannot_be_changed_alone_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        with_yaml_value(text, "clusterCIDR", BOTH)


@pytest.mark.parametrize("step", ["  ", "    ", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_p05_an_object_in_json_is_replaced_in_the_layout_of_its_owner(step: str, newline: str) -> None:
    lines = ["{", '>"mtu": __MTU__,', '>"ipam": {', '>>"type": "host-local",', '>>"subnet": "a"', ">}", "}", ""]
    text = newline.join(line.replace(">", step) for line in lines)

    changed = with_json_object(text, "ipam", {"type": "host-local", "ranges": [[{"subnet": "b"}]]})

    assert json_object(changed, "ipam")["ranges"] == [[{"subnet": "b"}]]
    assert f'{newline}{step * 2}"ranges": [{newline}{step * 3}[' in changed
    assert with_json_object(changed, "ipam", {"type": "host-local", "subnet": "a"}) == text
