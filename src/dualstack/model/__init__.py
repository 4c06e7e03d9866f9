"""The cluster, CIDRs, kinds, events and errors. Nothing here waits, reads or writes."""
