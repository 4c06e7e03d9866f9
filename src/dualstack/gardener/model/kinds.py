"""Gardener's kinds and the machine-controller-manager's."""

from __future__ import annotations

from dualstack.model.kinds import Kind

CLOUD_PROFILE = Kind("core.gardener.cloud", "v1beta1", "CloudProfile", "cloudprofiles", namespaced=False)
SHOOT = Kind("core.gardener.cloud", "v1beta1", "Shoot", "shoots")
SEED = Kind("core.gardener.cloud", "v1beta1", "Seed", "seeds", namespaced=False)
CONTROLLER_INSTALLATION = Kind(
    "core.gardener.cloud", "v1beta1", "ControllerInstallation", "controllerinstallations", namespaced=False
)
MANAGED_SEED = Kind("seedmanagement.gardener.cloud", "v1alpha1", "ManagedSeed", "managedseeds")

CLUSTER = Kind("extensions.gardener.cloud", "v1alpha1", "Cluster", "clusters", namespaced=False)
INFRASTRUCTURE = Kind("extensions.gardener.cloud", "v1alpha1", "Infrastructure", "infrastructures")
NETWORK = Kind("extensions.gardener.cloud", "v1alpha1", "Network", "networks")
CONTROL_PLANE = Kind("extensions.gardener.cloud", "v1alpha1", "ControlPlane", "controlplanes")
WORKER = Kind("extensions.gardener.cloud", "v1alpha1", "Worker", "workers")
OPERATING_SYSTEM_CONFIG = Kind(
    "extensions.gardener.cloud", "v1alpha1", "OperatingSystemConfig", "operatingsystemconfigs"
)
MANAGED_RESOURCE = Kind("resources.gardener.cloud", "v1alpha1", "ManagedResource", "managedresources")

MACHINE_CLASS = Kind("machine.sapcloud.io", "v1alpha1", "MachineClass", "machineclasses")
MACHINE_DEPLOYMENT = Kind("machine.sapcloud.io", "v1alpha1", "MachineDeployment", "machinedeployments")
MACHINE_SET = Kind("machine.sapcloud.io", "v1alpha1", "MachineSet", "machinesets")
MACHINE = Kind("machine.sapcloud.io", "v1alpha1", "Machine", "machines")

CUSTOM_KINDS = (
    CLOUD_PROFILE,
    SHOOT,
    CLUSTER,
    INFRASTRUCTURE,
    NETWORK,
    CONTROL_PLANE,
    WORKER,
    OPERATING_SYSTEM_CONFIG,
    MANAGED_RESOURCE,
    MACHINE_CLASS,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MACHINE,
)
"""The kinds that a plain Kubernetes API server learns from CustomResourceDefinitions or an aggregated server."""
