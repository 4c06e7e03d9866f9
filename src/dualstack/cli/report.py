"""`dualstack report`: documents of other commands as one page of HTML."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, not to standard output."
)
def report(files: tuple[Path, ...], out: Path | None) -> None:
    """Make one self-contained HTML page from JSON documents of `rehearse`, `preflight`, `plan`, `prepare`, `finish` or
    `verify`; `-` reads one from standard input.

    The page needs no network and no script, and prints well.
    """
    from dualstack.cli.html.documents import article_of
    from dualstack.cli.html.page import render
    from dualstack.streams import print_out, write_result

    articles = [
        article_of(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes(), str(path)) for path in files
    ]
    page = render(articles)
    if out is None:
        print_out(page)
    else:
        write_result(out, f"{page}\n".encode())
