"""Routes for secrets of users and projects. A value is taken in, and answered to nobody."""

from fastapi import Request

from herder.api.http.replies import flag
from herder.api.http.route_table import Repeat, RouteTable, Write
from herder.control.access.secrets import key_from, key_of
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.resources import Page, Result
from herder.wire.api.secrets import SecretCreate, SecretValue, SecretView

#: Of a value as base64 in JSON, with room for its escapes.
BYTES_MAX = 1024 * 1024


def add(front: RouteTable) -> None:
    _add_reads(front)
    _add_writes(front)


def _add_reads(front: RouteTable) -> None:
    reads = front.reads

    async def list_secrets(request: Request, who: Principal) -> Page:
        """Secrets of the caller and the caller's projects, without their values. With all=true every secret, for administrators."""
        project = request.query_params.get("project")
        return reads.secrets(who, project=project, everything=flag(request, "all"))

    async def get_secret(request: Request, who: Principal) -> SecretView:
        """One secret without its value: of the caller, of a project, or of a user for administrators."""
        project, user = request.query_params.get("project"), request.query_params.get("user")
        return reads.secret(who, key_of(who, request.path_params["secret"], project=project, user=user))

    needs = (Action.SEE, Kind.SECRET)
    front.read("/secrets", list_secrets, Page, needs, query=("project", "all"))
    front.read("/secrets/{secret}", get_secret, SecretView, needs, query=("project", "user"))


def _add_writes(front: RouteTable) -> None:
    commands = front.commands

    def create_secret(write: Write) -> SecretView:
        """Create a secret. Its value is stored encrypted and is never answered."""
        return commands.create_secret(write.who, write.body, write.changes, write.now_ms)

    def set_secret(write: Write) -> SecretView:
        """Give a secret a new value, for attempts that start from now on."""
        name, project = write.request.path_params["secret"], write.request.query_params.get("project")
        return commands.set_secret(write.who, name, write.body, write.changes, write.now_ms, project=project)

    def delete_secret(write: Write) -> Result:
        """Delete a secret. Attempts that need it and have not started fail."""
        request = write.request
        return commands.delete_secret(
            write.who,
            request.path_params["secret"],
            write.changes,
            write.now_ms,
            project=request.query_params.get("project"),
            user=request.query_params.get("user"),
            dry_run=write.dry_run,
        )

    async def made_secret(repeat: Repeat) -> SecretView:
        return front.reads.secret(repeat.who, key_from(repeat.made.object))

    front.write(
        "POST", "/secrets", create_secret, SecretCreate, SecretView, (Action.CREATE, Kind.SECRET),
        again=made_secret, bytes_max=BYTES_MAX, confidential=True,
    )  # fmt: skip
    front.write(
        "POST", "/secrets/{secret}", set_secret, SecretValue, SecretView, (Action.CHANGE, Kind.SECRET),
        query=("project",), again=made_secret, bytes_max=BYTES_MAX, confidential=True,
    )  # fmt: skip
    front.write(
        "DELETE", "/secrets/{secret}", delete_secret, None, Result, (Action.REMOVE, Kind.SECRET),
        query=("project", "user", "dry_run"),
    )  # fmt: skip
