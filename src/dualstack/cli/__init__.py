"""The command line: `main` names the commands, which import what they need only when they run."""
