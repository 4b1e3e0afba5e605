"""`herder user`: who may use this installation, and as what."""

from typing import Annotated

import typer

from herder.cli.output.views import USERS
from herder.cli.session import session
from herder.cli.shape import command, noun
from herder.settings.sections import Role


def build() -> typer.Typer:
    app = noun("Users: who may do what.", example="herder user list")
    command(app, "list", example="herder user list")(show_all)
    command(app, "create", example="herder user create alice --role operator")(create)
    return app


def show_all(ctx: typer.Context) -> None:
    """List users, their roles, what they hold of their quotas and what they have spent."""
    say = session(ctx)
    found = list(say.client.users())
    say.printer.items(USERS, found)
    if not found:
        say.say(USERS.empty)


def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new user's name.")],
    role: Annotated[Role, typer.Option("--role", help="What the user may do.")] = Role.USER,
    weight: Annotated[int, typer.Option("--weight", min=1, help="Share against others when jobs wait.")] = 1,
) -> None:
    """Add a user."""
    from herder.wire.resources import UserView

    say = session(ctx)
    made = say.client.create_user(UserView(name=name, role=role.value, weight=weight))
    say.done(f"user {made.name} added as {made.role}", made, made.name)
    say.say(f"Make a token with: herder token create {made.name} --save {made.name}.token")
