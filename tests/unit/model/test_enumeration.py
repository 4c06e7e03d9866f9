"""Lists in messages."""

from __future__ import annotations

import pytest

from dualstack.model.enumeration import clauses, listed, nodes


@pytest.mark.parametrize(
    ("count", "comma", "clause", "of_nodes"),
    [
        (0, "", "", "node "),
        (1, "1", "1", "node 1"),
        (2, "1, 2", "1; 2", "nodes 1, 2"),
        (3, "1, 2, 3", "1; 2; 3", "nodes 1, 2, 3"),
        (4, "1, 2, 3 and 1 more", "1; 2; 3; 1 more", "nodes 1, 2, 3 and 1 more"),
        (6, "1, 2, 3 and 3 more", "1; 2; 3; 3 more", "nodes 1, 2, 3 and 3 more"),
    ],
)
def test_three_are_named_and_the_others_counted(count: int, comma: str, clause: str, of_nodes: str) -> None:
    entries = [str(number) for number in range(1, count + 1)]
    assert (listed(entries), clauses(entries), nodes(entries)) == (comma, clause, of_nodes)


def test_another_number_and_what_the_others_are_can_be_given() -> None:
    assert listed("abc", 1) == "a and 2 more"
    assert clauses("abc", 2, " clusters") == "a; b; 1 more clusters"
