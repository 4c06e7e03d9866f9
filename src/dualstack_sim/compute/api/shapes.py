"""Schemas of objects inside request bodies: names, types and enums of the discovery document."""

from __future__ import annotations

from dualstack_sim.compute.api.bodies import Schema

PARAMETERS: Schema = {"resourceManagerTags": dict, "requestValidForDuration": dict}

ROUTING: Schema = {
    "routingMode": ("GLOBAL", "REGIONAL"), "bgpBestPathSelectionMode": ("LEGACY", "STANDARD"),
    "bgpAlwaysCompareMed": bool, "bgpInterRegionCost": ("ADD_COST_TO_MED", "DEFAULT"),
    "effectiveBgpAlwaysCompareMed": bool, "effectiveBgpInterRegionCost": ("ADD_COST_TO_MED", "DEFAULT"),
}  # fmt: skip

FIREWALL_LOG: Schema = {"enable": bool, "metadata": ("EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA")}

MASKS = (
    "ARP_ALL_RANGES", "ARP_BROADCAST_PRIMARY_RANGE", "ARP_BROADCAST_PRIMARY_RANGE_WITH_LEARNING", "ARP_PRIMARY_RANGE",
)  # fmt: skip

FLOW_LOG: Schema = {
    "enable": bool, "filterExpr": str, "flowSampling": float, "metadataFields": [str],
    "aggregationInterval": (
        "INTERVAL_5_SEC", "INTERVAL_30_SEC", "INTERVAL_1_MIN", "INTERVAL_5_MIN", "INTERVAL_10_MIN", "INTERVAL_15_MIN",
    ),
    "metadata": ("CUSTOM_METADATA", "EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA"),
}  # fmt: skip

GUEST_FEATURES = [
    {
        "type": (
            "BARE_METAL_LINUX_COMPATIBLE", "BMSAI_CAPABLE", "CCA_CAPABLE", "FEATURE_TYPE_UNSPECIFIED", "GVNIC", "IDPF",
            "MULTI_IP_SUBNET", "SECURE_BOOT", "SEV_CAPABLE", "SEV_LIVE_MIGRATABLE", "SEV_LIVE_MIGRATABLE_V2",
            "SEV_SNP_CAPABLE", "SNP_SVSM_CAPABLE", "SUSPEND_SAFE_FPR", "TDX_CAPABLE", "UEFI_COMPATIBLE",
            "VIRTIO_SCSI_MULTIQUEUE", "WINDOWS",
        ),
    },
]  # fmt: skip
ARCHITECTURES = ("ARCHITECTURE_UNSPECIFIED", "ARM64", "X86_64")
IP_VERSIONS = ("IPV4", "IPV6")
IDENTITY: Schema = {
    "identity": str, "identityCertificateEnabled": bool,
    "identityType": ("AGENT_IDENTITY", "IDENTITY_TYPE_UNSPECIFIED", "SERVICE_ACCOUNT"),
}  # fmt: skip

ADVERTISED = [{"range": str, "description": str}]
MANAGERS = ("MANAGED_BY_ATTACHMENT", "MANAGED_BY_USER")
ROUTER_INTERFACES = [
    {
        "ipRange": str, "ipVersion": IP_VERSIONS, "linkedInterconnectAttachment": str, "linkedVpnTunnel": str,
        "managementType": MANAGERS, "name": str, "privateIpAddress": str, "redundantInterface": str, "subnetwork": str,
    },
]  # fmt: skip
BGP_PEERS = [
    {
        "advertiseMode": ("CUSTOM", "DEFAULT"), "advertisedGroups": [("ALL_SUBNETS",)],
        "advertisedIpRanges": ADVERTISED, "advertisedRoutePriority": int, "customLearnedRoutePriority": int,
        "bfd": {
            "minReceiveInterval": int, "minTransmitInterval": int, "multiplier": int,
            "sessionInitializationMode": ("ACTIVE", "DISABLED", "PASSIVE"),
        },
        "customLearnedIpRanges": [{"range": str}], "enable": ("FALSE", "TRUE"), "enableIpv4": bool, "enableIpv6": bool,
        "exportPolicies": [str], "importPolicies": [str], "interfaceName": str, "ipAddress": str,
        "ipv4NexthopAddress": str, "ipv6NexthopAddress": str, "managementType": MANAGERS,
        "md5AuthenticationKeyName": str, "name": str, "peerAsn": int, "peerIpAddress": str,
        "peerIpv4NexthopAddress": str, "peerIpv6NexthopAddress": str, "routerApplianceInstance": str,
    },
]  # fmt: skip

_DURATION: Schema = {"seconds": str, "nanos": int}

SCHEDULING: Schema = {
    "automaticRestart": bool, "availabilityDomain": int, "exposeHostTopology": bool, "hostErrorTimeoutSeconds": int,
    "gracefulShutdown": {"enabled": bool, "maxDuration": _DURATION},
    "instanceTerminationAction": ("DELETE", "INSTANCE_TERMINATION_ACTION_UNSPECIFIED", "STOP"),
    "localSsdRecoveryTimeout": _DURATION, "locationHint": str, "maxRunDuration": _DURATION, "minNodeCpus": int,
    "nodeAffinities": [{"key": str, "operator": ("IN", "NOT_IN", "OPERATOR_UNSPECIFIED"), "values": [str]}],
    "onHostMaintenance": ("MIGRATE", "TERMINATE"), "onInstanceStopAction": {"discardLocalSsd": bool},
    "preemptible": bool, "preemptionNoticeDuration": _DURATION,
    "protectionTier": (
        "PROTECTION_TIER_CAPACITY_OPTIMIZED", "PROTECTION_TIER_STANDARD", "PROTECTION_TIER_UNSPECIFIED",
    ),
    "provisioningModel": ("FLEX_START", "RESERVATION_BOUND", "SPOT", "STANDARD"), "skipGuestOsShutdown": bool,
    "terminationTime": str,
}  # fmt: skip

SERVICE_ACCOUNTS = [{"email": str, "scopes": [str]}]
ACCELERATORS = [{"acceleratorType": str, "acceleratorCount": int}]
SHIELDED: Schema = {"enableSecureBoot": bool, "enableVtpm": bool, "enableIntegrityMonitoring": bool}
DISPLAY: Schema = {"enableDisplay": bool}
RESERVATION: Schema = {
    "consumeReservationType": ("ANY_RESERVATION", "NO_RESERVATION", "SPECIFIC_RESERVATION", "UNSPECIFIED"),
    "key": str, "values": [str],
}  # fmt: skip
