"""`herder user`: create, change, list and delete users."""

import shlex
from typing import Annotated

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import UNCHANGED, DryRun, Yes, usage
from herder.cli.shell.session import session
from herder.cli.views.tables import USERS
from herder.model.permissions import RoleName

_NAME = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]


def build() -> typer.Typer:
    app = noun("Users and their roles.", example="herder user list")
    command(app, "list", example="herder user list")(show_all)
    command(app, "create", example="herder user create alice --role operator")(create)
    command(app, "set", example="herder user set alice --role viewer")(change)
    command(app, "delete", example="herder user delete alice --cancel-jobs --dry-run")(delete)
    return app


def show_all(ctx: typer.Context) -> None:
    """List users with role, quota, use and cost.

    Operators and administrators see all users, others only themselves.
    """
    say = session(ctx)
    found = list(say.client.users())
    say.printer.items(USERS, found)
    if not found:
        say.say(USERS.empty)


def create(
    ctx: typer.Context,
    name: _NAME,
    role: Annotated[RoleName, typer.Option("--role", help="Role of the user.")] = "user",
    weight: Annotated[int, typer.Option("--weight", min=1, help="Weight in fair share.")] = 1,
) -> None:
    """Add a user.

    A user of a deleted name owns the earlier jobs and batches of that name.
    """
    from herder.wire.api.people import UserCreate

    say = session(ctx)
    made = say.client.create_user(UserCreate(name=name, role=role, weight=weight))
    say.done(f"User {made.name} was created with the role {made.role}.", made, made.name)
    quoted = shlex.quote(made.name)
    say.say(f"Create a token with: herder token create {quoted} --save {shlex.quote(made.name + '.token')}")


def change(
    ctx: typer.Context,
    name: _NAME,
    role: Annotated[RoleName | None, typer.Option("--role", help="New role of the user.")] = None,
    weight: Annotated[int | None, typer.Option("--weight", min=1, help="Weight in fair share.")] = None,
) -> None:
    """Change a user's role or weight.

    The change applies from the user's next call on, for all tokens. Users that the server's herder.yaml defines are changed there.
    """
    from herder.wire.api.people import UserSet

    if role is None and weight is None:
        raise usage("There is nothing to change.", hint="Give --role or --weight.")
    say = session(ctx)
    made = say.client.set_user(name, UserSet(role=role, weight=weight))
    say.done(f"User {made.name} has role {made.role} and weight {made.weight}.", made, made.name)


def delete(
    ctx: typer.Context,
    name: _NAME,
    cancel_jobs: Annotated[
        bool, typer.Option("--cancel-jobs", help="Also cancel queued and running jobs.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete a user and revoke all tokens of that user.

    Jobs, batches and their cost stay recorded under the name. Queued and running jobs continue unless --cancel-jobs is given.
    """
    say = session(ctx)
    if dry_run or not yes:
        would = say.client.delete_user(name, cancel_jobs=cancel_jobs, dry_run=True)
        if dry_run:
            say.done(would.text + UNCHANGED, would, name)
            return
        say.confirm(would.text, yes=False)
    done = say.client.delete_user(name, cancel_jobs=cancel_jobs)
    say.done(done.text, done, name)
