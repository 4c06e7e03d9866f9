"""One level-triggered reconcile for each kind of object: each starts from what is there, and may be killed anywhere."""
