"""Plans the cut-over: observed facts in, the next step out. Pure; this module is the entry.

Each node has a block of pod addresses, its pod CIDR. At first, a static route of the VPC leads to it. At the end, it is
an alias IP range on the NIC of the node's VM, from a secondary range of the subnet that equals the pod CIDR of the
cluster. The API refuses that range while routes lead into it, unless the subnet has the overlap flag
(`allowSubnetCidrRoutesOverlap`, a "hybrid subnet"). Then a packet goes to the VM that holds the address, and follows
the static route where none does. So alias and route can exist side by side, and no pod becomes unreachable in between.

Read in this order:

    facts                 what was observed: subnet, routes, VMs with their aliases, which VM is reachable by what
    steps                 all steps with precondition and effect; base: barriers, which wait, and gates, which check
    gates                 every gate and what it checks
    stages                the states in which the cluster may stay
    settings              how long barriers wait, how many VMs are changed at once
    strategies/overlap    the default order: make, wait, check, break; the others are variations
    invariants            what must hold after every step, by name
    strategies            the other orders: back, unmatched, decoys, compressed
    costs                 expected duration and outage
    automatic             chooses a strategy

A planner is a list of rules. The first rule with something to do yields the next step; `None` means finished. Nothing
is remembered between two steps: `dualstack.cutover.run` performs a step, reads the effect back and plans again, so the
process may be killed at any point.

The rules of Google's network that the plan depends on are in docs/reference/cut-over.md.
"""
