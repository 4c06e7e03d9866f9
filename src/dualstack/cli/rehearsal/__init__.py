"""A rehearsal: the world and the operator as processes, what was seen, what was checked, and the report."""
