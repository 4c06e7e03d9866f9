"""VMs with their interfaces, alias ranges and disks."""
