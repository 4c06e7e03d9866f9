"""`python -m dualstack` is the `dualstack` command."""

from dualstack.cli.main import main

main()
