"""Conditions: when which time stamp moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dualstack.model.conditions import (
    HEARTBEAT_TIME,
    Condition,
    condition_status,
    find_condition,
    is_true,
    with_condition,
    without_condition,
)

_T0, _T1 = "1970-01-01T00:00:10Z", "1970-01-01T00:00:20Z"


def test_a_new_condition_goes_to_the_end_with_both_stamps() -> None:
    result = with_condition([{"type": "A", "status": "True"}], "B", "False", "Why", "Words.", now=10)

    assert result[0] == {"type": "A", "status": "True"}
    assert result[1] == {
        "type": "B",
        "status": "False",
        "reason": "Why",
        "message": "Words.",
        "lastTransitionTime": _T0,
        "lastUpdateTime": _T0,
    }


def test_the_transition_time_stays_while_the_status_does() -> None:
    old = with_condition([], "B", "Progressing", "Why", "Words.", now=10)

    new = with_condition(old, "B", "Progressing", "Why", "Other words.", now=20)

    assert (new[0]["lastTransitionTime"], new[0]["lastUpdateTime"]) == (_T0, _T1)


def test_both_times_move_with_the_status() -> None:
    old = with_condition([], "B", "Progressing", "Why", "Words.", now=10)

    new = with_condition(old, "B", "True", "Why", "Words.", now=20)

    assert (new[0]["lastTransitionTime"], new[0]["lastUpdateTime"]) == (_T1, _T1)


def test_setting_what_is_there_changes_nothing() -> None:
    old = with_condition([], "B", "True", "Why", "Words.", now=10)

    assert with_condition(old, "B", "True", "Why", "Words.", now=20) == old


def test_codes_of_an_earlier_failure_go_with_it() -> None:
    old: list[Condition] = [{"type": "B", "status": "False", "codes": ["ERR_CONFIGURATION_PROBLEM"]}]

    assert "codes" not in with_condition(old, "B", "True", "Why", "Words.", now=10)[0]


def test_a_node_condition_has_a_heartbeat_instead() -> None:
    (condition,) = with_condition([], "Ready", "True", "KubeletReady", "", now=10, update_key=HEARTBEAT_TIME)

    assert condition["lastHeartbeatTime"] == _T0
    assert "lastUpdateTime" not in condition


_steps = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(["True", "False", "Progressing", "remove"])), max_size=30
)


@given(_steps)
def test_every_history_keeps_one_condition_of_a_type_and_its_last_status(steps: list[tuple[str, str]]) -> None:
    conditions: list[Condition] = []
    last: dict[str, str] = {}
    changed: dict[str, int] = {}
    for now, (kind, status) in enumerate(steps):
        if status == "remove":
            conditions = without_condition(conditions, kind)
            last.pop(kind, None)
            continue
        if last.get(kind) != status:
            changed[kind] = now
        last[kind] = status
        before = [dict(condition) for condition in conditions]
        after = with_condition(conditions, kind, status, "Why", "Words.", now=now)
        assert conditions == before, "a list that was handed in must not change"
        conditions = after

    assert {condition["type"]: condition["status"] for condition in conditions} == last
    assert len(conditions) == len(last)
    for kind, status in last.items():
        assert condition_status(conditions, kind) == status
        assert is_true(conditions, kind) == (status == "True")
        found = find_condition(conditions, kind)
        assert found is not None
        assert found["lastTransitionTime"] == f"1970-01-01T00:00:{changed[kind]:02d}Z"


def test_what_is_not_there_has_no_status() -> None:
    assert condition_status([], "A") is None
    assert find_condition([], "A") is None
