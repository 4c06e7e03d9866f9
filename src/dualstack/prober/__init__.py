"""The pods of the decoy check: one on each node connects to addresses and reports which of them answer."""
