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
SecretsKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--secrets-key-file",
        metavar="FILE",
        envvar="HERDER_SECRETS_KEY_FILE",
        help="Keys of secrets (default: secrets.key in the data folder).",
    ),
]
