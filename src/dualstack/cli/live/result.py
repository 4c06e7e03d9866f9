"""The result of a command: one document on standard output, as text, JSON or YAML."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from dualstack.cli.live.connect import Connected
from dualstack.streams import print_out


class ClusterName(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The cluster that a result is about. evidence: what shows the platform. CIDRs are IPv4."""

    name: str
    platform: str
    evidence: str
    context: str
    project: str
    region: str
    nodes_subnet: str
    pods: str

    @classmethod
    def of(cls, connected: Connected) -> ClusterName:
        """The identified cluster."""
        found = connected.identity
        cluster = found.cluster
        return cls(
            name=cluster.name,
            platform=found.platform,
            evidence=found.evidence,
            context=connected.context,
            project=cluster.project,
            region=cluster.region,
            nodes_subnet=cluster.nodes_subnet,
            pods=cluster.pods,
        )

    def describe(self) -> str:
        """One line."""
        return f"{self.name} ({self.platform}), project {self.project}, {self.region}, pods {self.pods}"


def print_result(result: msgspec.Struct, text: str, output: str) -> None:
    """Print `result` in the format `output`; `text` is its text form."""
    match output:
        case "json":
            print_out(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
        case "yaml":
            found: Any = msgspec.to_builtins(result)
            print_out(yaml.safe_dump(found, sort_keys=False, allow_unicode=True).rstrip())
        case _:
            print_out(text)
