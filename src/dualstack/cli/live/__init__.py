"""The commands for live clusters."""
