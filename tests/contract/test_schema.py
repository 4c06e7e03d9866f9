"""The check against the published description finds what is wrong; a check that finds nothing proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.schema import error_faults, request_faults, response_faults

ROUTE = {"kind": "compute#route", "id": "1", "name": "r", "priority": 1000, "destRange": "10.0.0.0/8"}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "compute#network"}, {"id": 1}, {"id": "one"}, {"id": "-1"}, {"priority": "1000"}, {"priority": True},
        {"priority": 2**32}, {"colour": "blue"}, {"name": "Not_A_Name"}, {"tags": "t"}, {"tags": [1]},
        {"routeStatus": "FINE"}, {"warnings": [{"code": "SOMETHING"}]}, {"destRange": None},
    ],
)  # fmt: skip
def test_a_response_that_is_wrong_is_found(change: dict[str, Any]) -> None:
    assert response_faults("routes.get", ROUTE) == []
    assert len(response_faults("routes.get", ROUTE | change)) == 1


def test_requests_may_say_null_and_numbers_in_either_spelling() -> None:
    assert request_faults("routes.insert", {"requestId": "x"}, {"priority": "1000", "tags": None}) == []
    assert request_faults("routes.insert", {"request": "x"}, {}) == ["routes.insert?request: no such parameter"]
    assert request_faults("routes.list", {"maxResults": "-1"}, {}) == ["routes.list?maxResults: '-1' is no integer"]
    assert len(request_faults("routes.delete", {}, {"name": "r"})) == 1
    assert request_faults("roads.list", {}, {}) == ["roads.list: no such method"]


@pytest.mark.parametrize(
    "error",
    [
        {"code": 404, "message": "m"},
        {"code": 404, "message": "m", "errors": []},
        {"code": 404, "message": "m", "errors": [{"message": "other", "domain": "global", "reason": "notFound"}]},
        {"code": 404, "message": "m", "errors": [{"message": "m", "domain": "global"}]},
        {"code": 200, "message": "m", "errors": [{"message": "m", "domain": "global", "reason": "notFound"}]},
    ],
)
def test_an_error_of_another_shape_is_found(error: dict[str, Any]) -> None:
    assert error_faults({"error": error})
