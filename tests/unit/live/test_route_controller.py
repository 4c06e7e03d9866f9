"""Which flags of cloud-controller-manager mean that it creates routes."""

from __future__ import annotations

import pytest

from dualstack.live.route_controller import creates_routes


@pytest.mark.parametrize(
    ("flags", "creates"),
    [
        (["--allocate-node-cidrs=true", "--configure-cloud-routes=true"], True),
        (["--allocate-node-cidrs=true"], True),
        (["--allocate-node-cidrs=1", "--configure-cloud-routes=t"], True),
        (["--allocate-node-cidrs=true", "--configure-cloud-routes=false"], False),
        (["--allocate-node-cidrs=true", "--configure-cloud-routes=0"], False),
        (["--allocate-node-cidrs=true", "--configure-cloud-routes=F"], False),
        (["--configure-cloud-routes=true"], False),
        ([], False),
    ],
)
def test_routes_need_both_flags_in_any_spelling_of_go(flags: list[str], creates: bool) -> None:
    pod = {"spec": {"containers": [{"name": "ccm", "command": ["/cloud-controller-manager", *flags]}]}}
    assert creates_routes(pod) is creates
