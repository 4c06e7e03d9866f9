"""What a command says when an API refuses or does not answer, and a long result in 80 columns."""

from __future__ import annotations

import pytest

from dualstack.cli.live.connect import remedy_of
from dualstack.cli.live.outcome import Outcome
from dualstack.cli.live.result import ClusterName
from dualstack.cli.rehearsal.live import LiveResult
from dualstack.gce.errors import no_answer, refusal
from dualstack.kube.interface import Conflict, Forbidden, Unauthenticated, Unavailable
from dualstack.model.errors import DualstackError
from dualstack.preflight.finding import PreflightFailed

SERVER = "https://api.example.com"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal(401, {"error": {"message": "expired"}}), "`gcloud auth application-default login`"),
        (refusal(403, {"error": {"message": "Required 'compute.routes.list'"}}), "docs/live-clusters.md#rights"),
        (
            refusal(403, {"error": {"message": "disabled", "errors": [{"reason": "accessNotConfigured"}]}}),
            "run `gcloud services enable compute.googleapis.com` in that project",
        ),
        (Unavailable("--seed-kubeconfig: no route"), "reaches the server of that kubeconfig, then"),
        (
            refusal(404, {"error": {"message": "The resource 'projects/other-1' was not found"}}),
            f"check that {SERVER}, the server of the kubeconfig, is your cluster",
        ),
        (no_answer(OSError("refused")), "reaches the Compute API, then run the same command again"),
        (Forbidden("nodes is forbidden"), "docs/live-clusters.md#rights"),
        (Unavailable("no route"), f"reaches {SERVER}, the server of the kubeconfig, then run the same command again"),
    ],
)
def test_an_error_of_an_api_has_a_remedy(error: DualstackError, words: str) -> None:
    assert words in remedy_of(error, SERVER)


@pytest.mark.parametrize(
    "error", [Conflict("x"), Unauthenticated("has its own"), refusal(500, {}), refusal(404, {}), PreflightFailed([])]
)
def test_other_errors_speak_for_themselves(error: DualstackError) -> None:
    assert remedy_of(error, SERVER) == ""


def test_the_result_of_a_rehearsed_snapshot_fits_the_terminal() -> None:
    outcome = Outcome(
        schema="dualstack.change/v1",
        command="prepare",
        cluster=ClusterName(
            name="c",
            platform="kubeadm",
            evidence="e",
            context="x",
            project="p",
            region="r",
            nodes_subnet="n",
            pods="10.0.0.0/8",
        ),
        standing="prepared",
        nodes=3,
        nodes_with_alias=3,
        routes=3,
        steps=("gate",) * 16,
        seconds=754.0,
    )
    result = LiveResult(
        schema="dualstack.live-rehearsal/v2",
        result="failed",
        reason="the command `dualstack prepare` ended with status 1:\n" + "it says why, at length; " * 9,
        prepare=outcome,
        rests_on=("a fact that no document states " * 5,),
        left_out=("1 vpnTunnels: not simulated, " * 5,),
    )
    assert max(map(len, result.describe().splitlines())) <= 80
