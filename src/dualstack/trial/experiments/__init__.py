"""The experiments, one in each module; `registry.py` has all of them in the order in which they run."""
