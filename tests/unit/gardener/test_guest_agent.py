"""What counts as a sign that the guest agent leaves alias ranges alone."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dualstack.gardener.model.guest_agent import CONFIG_PATH, evidence
from dualstack.model.kinds import Manifest

OFF = "[Accounts]\nuseradd_cmd = a %s\n[IpForwarding]\nip_aliases = False\n"


def config(name: str, data: str | None, encoding: str = "") -> Manifest:
    content: dict[str, Any] = {"inline": {"encoding": encoding, "data": data}} if data is not None else {}
    files = [{"path": "/etc/other", "content": {}}, {"path": CONFIG_PATH, "content": content}]
    return {"metadata": {"name": name}, "spec": {"purpose": "reconcile", "files": files}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (config("a", OFF), True),
        (config("a", encoded(OFF), "b64"), True),
        (config("a", "[IpForwarding]\nip_aliases = true\n"), False),
        (config("a", "[IpForwarding]\n"), False),
        (config("a", "ip_aliases = false"), False),
        (config("a", "[IpForwarding]\nip_aliases = maybe\n"), False),
        (config("a", "no base64", "b64"), False),
        (config("a", None), False),
        ({"metadata": {"name": "a"}, "spec": {"purpose": "reconcile"}}, False),
    ],
)
def test_p21_only_the_setting_in_the_file_counts(given: Manifest, shown: bool) -> None:
    assert evidence([given]) == (f"{CONFIG_PATH} of OperatingSystemConfig a has ip_aliases = false" if shown else "")


def test_p21_every_pool_must_have_it() -> None:
    assert evidence([config("a", OFF), config("b", None)]) == ""
    assert evidence([]) == ""
    assert "a, b" in evidence([config("a", OFF), config("b", OFF)])


def test_p21_the_configuration_of_a_first_boot_does_not_count() -> None:
    provision = config("boot", None)
    provision["spec"]["purpose"] = "provision"
    assert "OperatingSystemConfig a has" in evidence([provision, config("a", OFF)])
