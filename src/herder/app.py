"""The composition root and the command `herder`: the client's commands, and those that run things."""

import sys

import typer

from herder.cli.main import build_app, run


def main() -> None:
    sys.exit(run(whole_app()))


def whole_app() -> typer.Typer:
    """Every command."""
    from herder.server import commands

    app = build_app()
    commands.add_to(app)
    return app


if __name__ == "__main__":
    main()
