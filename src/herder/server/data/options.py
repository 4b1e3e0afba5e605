"""The options that name a server's data, shared by the commands that run a server and those that look after its store."""

from pathlib import Path
from typing import Annotated

import typer

from herder.observability.logs import LogFormat, LogLevel

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
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option("--log-format", envvar="HERDER_LOG_FORMAT", help="Form of log lines (default: text)."),
]
LogLevelOption = Annotated[
    LogLevel | None,
    typer.Option(
        "--log-level",
        envvar="HERDER_LOG_LEVEL",
        help="Least level of log lines (default: warning; with --log-format json: info).",
    ),
]
AgentLogLevel = Annotated[
    LogLevel | None,
    typer.Option("--log-level", envvar="HERDER_LOG_LEVEL", help="Least level of log lines (default: info)."),
]
