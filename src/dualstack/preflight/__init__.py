"""Looks for everything that can stop a migration, and for its risks, before the first change. Changes nothing itself.

    finding      what the preflight returns, and the error for findings that stop a migration
    reading      reads Compute, with requests that change nothing
    inventory    what was read; pure
    check        what a check is: a function from an inventory to problems
    permissions, ranges, routing, subnets, nodes, limits    the checks, by subject; pure
    installation, workloads, exposure, management    the same, for a live cluster
    registry     the list of all checks

To add a check, write one function in one of these files and add one line to the registry. docs/preflight.md lists them.
"""
