"""The long-running process: watches fill a queue of keys, and controllers reconcile them."""
