"""What only kubectl and other command-line clients use: printed tables and OpenAPI documents.

The other modules of the simulated API import these names, never the modules that define them.
"""

from dualstack_sim.kube.kubectl.openapi import openapi_v2, openapi_v2_protobuf, openapi_v3, openapi_v3_index
from dualstack_sim.kube.kubectl.printers import printer
from dualstack_sim.kube.kubectl.tables import TableForm, table, table_form

__all__ = [
    "TableForm",
    "openapi_v2",
    "openapi_v2_protobuf",
    "openapi_v3",
    "openapi_v3_index",
    "printer",
    "table",
    "table_form",
]
