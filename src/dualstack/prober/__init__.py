"""What runs in a pod on each node during the decoy check: it tries addresses and says which of them answer."""
