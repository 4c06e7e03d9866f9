"""The table of methods: discovery document, permissions page, and refusal of other calls."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.clients.gce.conftest import Server
from tests.clients.gce.permissions_page import page
from tests.contract.schema import Description

from dualstack.gce import ComputeClient
from dualstack.gce.methods import METHODS, method_of, permissions

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_found_by_the_path_that_the_discovery_document_gives(name: str) -> None:
    described = Description("v1").method(name)
    assert described is not None
    path = re.sub(r"{\w+}", "x", described["path"].removeprefix("projects/{project}").lstrip("/"))
    assert method_of(described["httpMethod"], path) is METHODS[name]


async def test_the_client_refuses_a_call_that_is_not_in_the_table(server: Server, client: ComputeClient) -> None:
    with pytest.raises(LookupError, match=r"GET global/images: images\.list is not in the table"):
        await client.list("global/images")
    with pytest.raises(LookupError, match="PUT"):
        method_of("PUT", "global/routes/r")
    assert server.asked == []


def test_the_read_only_set_allows_no_change() -> None:
    for name in permissions(read_only=True):
        assert name.rpartition(".")[2] in ("get", "list", "listPeeringRoutes", "getEffectiveFirewalls")


def test_the_page_equals_the_table() -> None:
    """When it does not: python -m tests.clients.gce.permissions_page > docs/permissions.md"""
    assert (ROOT / "docs/permissions.md").read_text(encoding="utf-8") == page()
