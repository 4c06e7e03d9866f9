"""Observes, executes and measures a cut-over: a step, its effect read back, the next step."""
