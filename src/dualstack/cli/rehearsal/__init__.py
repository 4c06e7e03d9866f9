"""A rehearsal: starts the simulated world and the operator as processes, records the run, verifies and reports it."""
