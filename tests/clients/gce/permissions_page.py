"""docs/permissions.md as the table of `dualstack.gce.methods` gives it.

python -m tests.clients.gce.permissions_page > docs/permissions.md
"""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gce.methods import Method, permissions
from dualstack.trial.estimate import methods_of
from dualstack.trial.experiments.registry import EXPERIMENTS

_HEAD = """# IAM permissions

<!-- Generated from src/dualstack/gce/methods.py: python -m tests.clients.gce.permissions_page > docs/permissions.md -->

These are the permissions that the service account needs in the cluster's project. The list is complete: the product's
client refuses a method that is not in it. In a Shared VPC the calls for networks, subnets, routes, firewall rules and
Cloud Routers need their permissions in the host project.

| evidence | meaning |
|---|---|
| documented | The API reference lists the permission under "IAM Permissions" of the method. |
| inferred | The reference does not list it for the method, but the request creates or uses another resource. |

Source of the documented ones: [iam-dataset](https://github.com/iann0036/iam-dataset), `gcp/map.json` of 2026-08-22,
which collects these sections. For `instances.updateNetworkInterface` they also name `compute.addresses.use`,
`compute.addresses.useInternal` and `compute.subnetworks.useExternalIp`. These concern fields that the product does not
change.
"""

_READ = """
## Read-only

This set is enough for everything that changes nothing, such as the checks before a migration. The role
`roles/compute.viewer` contains it. Without `compute.forwardingRules.list` internal load balancers are not counted.

"""

_CHANGE = """
## Migration

A migration needs these permissions besides. The role `roles/compute.admin`, which Gardener requires, contains both
sets. So do `roles/compute.networkAdmin`, `roles/compute.securityAdmin` and `roles/compute.instanceAdmin.v1` together.
Rows about a new cluster or about deletion concern only clusters whose Infrastructure the operator creates or deletes.
Rows about the decoy check concern only clusters for which it [is made](cut-over.md#the-decoy-check).

"""

_TRIAL = """
## Trial

`dualstack trial` needs this set in the project of the trial, and no other. A trial changes only what it made itself
([safety](evidence.md#safety)).

"""

_ROLES = """
## Custom roles

Files for `gcloud iam roles create`, generated from the same table:

| file | for |
|---|---|
| [read-only.yaml](../deploy/gcp/read-only.yaml) | `preflight`, `plan`, `status`, `verify`, `snapshot` |
| [cut-over.yaml](../deploy/gcp/cut-over.yaml) | `prepare`, `finish`, `rollback` |
| [operator.yaml](../deploy/gcp/operator.yaml) | `dualstack operator`, which also creates and deletes Infrastructures |
| [trial.yaml](../deploy/gcp/trial.yaml) | `dualstack trial` |

    gcloud iam roles create dualstack.operator --project PROJECT --file deploy/gcp/operator.yaml
    gcloud projects add-iam-policy-binding PROJECT --role projects/PROJECT/roles/dualstack.operator \\
      --member serviceAccount:NAME@PROJECT.iam.gserviceaccount.com
"""


def page() -> str:
    """The whole page."""
    read, everything = permissions(read_only=True), permissions()
    more = {name: methods for name, methods in everything.items() if name not in read}
    trial = permissions(of=methods_of(EXPERIMENTS))
    return _HEAD + _READ + _rows(read) + _CHANGE + _rows(more) + _TRIAL + _names(trial) + _ROLES


def _names(needed: Mapping[str, tuple[Method, ...]]) -> str:
    rows = ["| permission | calls |", "|---|---|"]
    rows += [f"| `{name}` | {', '.join(f'`{each.id}`' for each in methods)} |" for name, methods in needed.items()]
    return "\n".join(rows) + "\n"


def _rows(needed: Mapping[str, tuple[Method, ...]]) -> str:
    rows = ["| permission | calls | for | evidence |", "|---|---|---|---|"]
    for name, methods in needed.items():
        marks = {"documented" if name in method.permissions else "inferred" for method in methods}
        calls = ", ".join(f"`{method.id}`" for method in methods)
        purposes = "; ".join(dict.fromkeys(method.purpose for method in methods))
        rows.append(f"| `{name}` | {calls} | {purposes} | {', '.join(sorted(marks))} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
