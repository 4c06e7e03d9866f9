"""Carries out what `dualstack.plan` yields: a step, its effect read back, the next."""
