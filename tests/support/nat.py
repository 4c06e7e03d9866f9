"""The Cloud NAT of a Shoot that sets no option of it (docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

NAT_DEFAULTS = {
    "natIpAllocateOption": "AUTO_ONLY",
    "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
    "minPortsPerVm": 2048,
    "maxPortsPerVm": 65536,
    "enableDynamicPortAllocation": False,
    "enableEndpointIndependentMapping": False,
    "icmpIdleTimeoutSec": 30,
    "tcpEstablishedIdleTimeoutSec": 1200,
    "tcpTimeWaitTimeoutSec": 120,
    "tcpTransitoryIdleTimeoutSec": 30,
    "udpIdleTimeoutSec": 30,
    "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
}
