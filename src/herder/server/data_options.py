"""The options that name a server's data, shared by the commands that run a server and those that look after its store."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="HERDER_DATA_DIR", help="Data folder: store, secrets and workers."),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="HERDER_STORE",
        help="Database URL (default: SQLite in the data folder).",
    ),
]
