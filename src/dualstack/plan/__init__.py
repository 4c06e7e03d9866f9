"""The cut-over, planned: what is there goes in, the next step comes out. Pure, and to be read from top to bottom here.

What happens. The pods of each node have a block of addresses, its pod CIDR. At first a static route of the VPC leads to
it; in the end it is an alias IP range on the NIC of the node's VM, out of a secondary range of the subnet that holds
the whole pod CIDR. The API refuses that range while routes lie in it, unless the subnet has the overlap flag
(`allowSubnetCidrRoutesOverlap`, a "hybrid subnet"): then a packet goes to the VM that holds the address, and where none
does, it falls through to the static route. So alias and route may stand side by side, and nobody is cut off in between.

Read in this order:

    facts         what was observed: subnet, routes, VMs with their aliases, who is reachable by what
    transition    what a step is; barriers, which wait, and gates, which check
    transitions   all steps; each with what it needs, what it does to the facts, and what takes it back:
                  route_steps, subnet_steps, alias_steps
    stages        S0 to S5, in which everything may rest
    settings      how long barriers wait, how many VMs are changed at once
    overlap       THE order: make, wait, check, break. Everything else is a variation of it
    invariants    what must hold after every step, by name
    back          the mirror of overlap, down to any stage
    unmatched     the way back where the cloud does not do what overlap rests on
    decoys        asks the cloud beforehand, on a VM that nobody needs; decoy_steps, blocks
    compressed    a short outage instead, for networks above the limits; gardener: upstream's order, to compare
    strategy      the orders by name, what each costs and promises; automatic: which one fits

A planner is a list of rules. The first rule that has something to do yields the next step; `None` means finished.
Nothing is remembered between two steps: whoever carries a step out (`dualstack.cutover.run`) reads the effect back
and asks again, and may be killed at any instant.

Where a rule comes from stands behind it in brackets. "GB" and W1 to W49 are Gardener's behaviour and its known
weaknesses (docs/reference/weaknesses.md). "cutover.md", and a number alone in `settings`, is the study of the
cut-over. These studies are not part of the repository. What they say of Google's network, as far as it is cited here:

    R1, R4    the flag lets a subnet's ranges overlap with static routes; it may be set and cleared at any time
    R2, R3    whether a NEW route may be made inside a flagged range: one document says no, another yes (K1)
    R5        subnet ranges come before static routes; every change reaches each host some time later
    R6, R8    an address in a range that no resource has: with the flag its static route serves it, without it is lost
    R11       a range goes only when no alias is in it; one request adds or removes ranges, never both
    R12       aliases come from the subnet of the NIC; the list is replaced as a whole, added to or removed from
    R16       advised limits of hybrid subnets for each VPC network: 130 NICs, 300 routes, 25 such subnets
    K3        whether an alias counts as a resource that "has" its address (it must, or its route was all it had)
    K5, E12   whether this version of the API knows the flag at all
    E10       a host may learn of two changes to a subnet in either order
    E15       somebody else may undo a step at any time

`compute-api.md` is the study of the API itself. `dualstack sim rules` prints what the simulated cloud makes of each.
"""
