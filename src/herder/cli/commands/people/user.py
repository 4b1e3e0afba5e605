"""`herder user`: who may use this installation, and as what."""

import shlex
from typing import Annotated

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import UNCHANGED, DryRun, Yes, usage
from herder.cli.shell.session import session
from herder.cli.views.tables import USERS
from herder.settings.sections.server import Role

_NAME = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]


def build() -> typer.Typer:
    app = noun("Users: who may do what.", example="herder user list")
    command(app, "list", example="herder user list")(show_all)
    command(app, "create", example="herder user create alice --role operator")(create)
    command(app, "set", example="herder user set alice --role viewer")(change)
    command(app, "delete", example="herder user delete alice --cancel-jobs --dry-run")(delete)
    return app


def show_all(ctx: typer.Context) -> None:
    """List users, their roles, what they hold of their quotas and what they have spent.

    Operators and administrators see all, others themselves.
    """
    say = session(ctx)
    found = list(say.client.users())
    say.printer.items(USERS, found)
    if not found:
        say.say(USERS.empty)


def create(
    ctx: typer.Context,
    name: _NAME,
    role: Annotated[Role, typer.Option("--role", help="What the user may do.")] = Role.USER,
    weight: Annotated[int, typer.Option("--weight", min=1, help="Share against others when jobs wait.")] = 1,
) -> None:
    """Add a user.

    A name that was deleted before has its old jobs and batches again.
    """
    from herder.wire.people import UserCreate

    say = session(ctx)
    made = say.client.create_user(UserCreate(name=name, role=role.value, weight=weight))
    say.done(f"user {made.name} added as {made.role}", made, made.name)
    quoted = shlex.quote(made.name)
    say.say(f"Make a token with: herder token create {quoted} --save {shlex.quote(made.name + '.token')}")


def change(
    ctx: typer.Context,
    name: _NAME,
    role: Annotated[Role | None, typer.Option("--role", help="What the user may do from now on.")] = None,
    weight: Annotated[
        int | None, typer.Option("--weight", min=1, help="Share against others when jobs wait.")
    ] = None,
) -> None:
    """Change a user's role or weight.

    It holds from the user's next call on, for all tokens. Users that are defined in the server's herder.yaml are changed there.
    """
    from herder.wire.people import UserSet

    if role is None and weight is None:
        raise usage("There is nothing to change.", hint="Give --role or --weight.")
    say = session(ctx)
    made = say.client.set_user(name, UserSet(role=role.value if role else None, weight=weight))
    say.done(f"user {made.name} is {made.role} with weight {made.weight}", made, made.name)


def delete(
    ctx: typer.Context,
    name: _NAME,
    cancel_jobs: Annotated[
        bool, typer.Option("--cancel-jobs", help="Also cancel what waits or runs.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete a user; all tokens of theirs end at once.

    Jobs, batches and what they cost stay, under the name. What waits or runs goes on unless --cancel-jobs is given.
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
