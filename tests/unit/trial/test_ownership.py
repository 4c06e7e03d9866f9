"""What belongs to a trial, by its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.trial.ownership import ForeignResource, Owner, trial_of

OWNER = Owner("0123abcd")
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,40}[a-z0-9])?", fullmatch=True)
PLACES = st.sampled_from(
    ["global/networks", "global/routes", "regions/r/subnetworks", "zones/z/instances", "zones/z/disks"]
)
METHODS = st.sampled_from(["DELETE", "PATCH", "POST"])


@given(name=NAMES, place=PLACES, method=METHODS)
def test_no_change_of_another_name_passes(name: str, place: str, method: str) -> None:
    with pytest.raises(ForeignResource):
        OWNER.refuse_foreign(method, f"{place}/{name}", {})
    with pytest.raises(ForeignResource):
        OWNER.refuse_foreign("POST", place, {"name": OWNER.name("x"), "network": f"global/networks/{name}"})
    with pytest.raises(ForeignResource):
        OWNER.refuse_foreign("POST", place, {"name": name})


@given(suffix=NAMES, place=PLACES)
def test_changes_of_its_own_names_pass(suffix: str, place: str) -> None:
    name = OWNER.name(suffix)
    assert trial_of(f"https://www.googleapis.com/compute/v1/projects/p/{place}/{name}") == OWNER.id
    OWNER.refuse_foreign("DELETE", f"{place}/{name}", None)
    OWNER.refuse_foreign("POST", place, {"name": name, "network": f"projects/p/global/networks/{OWNER.network}"})


def test_another_trial_and_lookalikes_are_foreign() -> None:
    for name in (
        "dualstack-trial-ffffffff",
        "dualstack-trial-0123abcde",
        "x-dualstack-trial-0123abcd",
        "dualstack-trial-",
    ):
        assert not OWNER.owns(name), name
    interfaces = [{"subnetwork": "regions/r/subnetworks/prod"}]
    with pytest.raises(ForeignResource, match="'prod'"):
        OWNER.refuse_foreign("POST", "zones/z/instances", {"name": OWNER.name("a"), "networkInterfaces": interfaces})
    assert not OWNER.owns_network({"name": OWNER.network, "description": "of another owner"})
