"""Routes for users, projects and tokens, and for who the caller is."""

from fastapi import Request

from herder.api.http.replies import flag
from herder.api.http.route_table import CHANGE_FLEET, Repeat, RouteTable, Write
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.people import (
    JoinTokenCreate,
    JoinTokenCreated,
    TokenCreate,
    TokenCreated,
    UserCreate,
    UserSet,
    UserView,
    WhoAmI,
)
from herder.wire.api.resources import Page, Result


def add(front: RouteTable) -> None:
    _add_reads(front)
    _add_users(front)
    _add_tokens(front)


def _add_reads(front: RouteTable) -> None:
    reads = front.reads

    async def who_am_i(request: Request, who: Principal) -> WhoAmI:
        """The caller as the server sees it: user, role, token, projects."""
        return reads.who_am_i(who)

    async def list_users(request: Request, who: Principal) -> Page:
        """Users with their quotas, usage and costs: the caller, or all users for operators."""
        return reads.users(who)

    async def list_projects(request: Request, who: Principal) -> Page:
        """Projects with a quota, or with jobs that run or wait."""
        return reads.projects(who)

    async def list_job_types(request: Request, who: Principal) -> Page:
        """Job types with their limits, and how many of their jobs run and wait."""
        return reads.job_types(who)

    async def list_tokens(request: Request, who: Principal) -> Page:
        """The tokens of the caller, newest first; all tokens for administrators. With all=true also revoked and expired tokens."""
        user = request.query_params.get("user")
        return reads.tokens(who, user=user, revoked=flag(request, "all"))

    front.read("/whoami", who_am_i, WhoAmI)
    front.read("/users", list_users, Page, (Action.SEE, Kind.USER))
    front.read("/projects", list_projects, Page, (Action.SEE, Kind.PROJECT))
    front.read("/job-types", list_job_types, Page)
    front.read("/tokens", list_tokens, Page, (Action.SEE, Kind.TOKEN), query=("user", "all"))


def _add_users(front: RouteTable) -> None:
    commands = front.commands

    def create_user(write: Write) -> UserView:
        """Create a user."""
        return commands.create_user(write.who, write.body, write.changes, write.now_ms)

    def set_user(write: Write) -> UserView:
        """Change a user's role or weight."""
        name = write.request.path_params["user"]
        return commands.set_user(write.who, name, write.body, write.changes, write.now_ms)

    def delete_user(write: Write) -> Result:
        """Delete a user and revoke the user's tokens. Jobs are kept; with cancel_jobs=true they are cancelled."""
        request = write.request
        return commands.delete_user(
            write.who,
            request.path_params["user"],
            write.changes,
            write.now_ms,
            cancel_jobs=flag(request, "cancel_jobs"),
            dry_run=write.dry_run,
        )

    async def made_user(repeat: Repeat) -> UserView:
        return front.reads.made_user(repeat.who, repeat.made.object.partition("/")[2])

    front.write(
        "POST", "/users", create_user, UserCreate, UserView, (Action.CREATE, Kind.USER), again=made_user
    )
    front.write(
        "POST", "/users/{user}", set_user, UserSet, UserView, (Action.CHANGE, Kind.USER), again=made_user
    )
    front.write(
        "DELETE", "/users/{user}", delete_user, None, Result, (Action.REMOVE, Kind.USER),
        query=("cancel_jobs", "dry_run"),
    )  # fmt: skip


def _add_tokens(front: RouteTable) -> None:
    commands = front.commands

    def create_token(write: Write) -> TokenCreated:
        """Create a token. It is shown once."""
        key = write.request.headers.get("idempotency-key")
        return commands.create_token(write.who, write.body, write.changes, write.now_ms, key=key)

    async def made_token(repeat: Repeat) -> TokenCreated:
        return commands.made_token(repeat.who, repeat.body, repeat.request.headers["idempotency-key"])

    def create_join_token(write: Write) -> JoinTokenCreated:
        """Create a token with which machines join a pool. It is shown once."""
        pool, key = write.request.path_params["pool"], write.request.headers.get("idempotency-key")
        return commands.create_join_token(write.who, pool, write.body, write.changes, write.now_ms, key=key)

    async def made_join_token(repeat: Repeat) -> JoinTokenCreated:
        pool, key = repeat.request.path_params["pool"], repeat.request.headers["idempotency-key"]
        return commands.made_join_token(repeat.who, pool, repeat.body, key)

    def revoke_token(write: Write) -> Result:
        """Revoke a token, by its id."""
        token = write.request.path_params["token"]
        return commands.revoke_token(write.who, token, write.changes, write.now_ms)

    front.write(
        "POST",
        "/tokens",
        create_token,
        TokenCreate,
        TokenCreated,
        (Action.CREATE, Kind.TOKEN),
        again=made_token,
    )
    front.write(
        "POST",
        "/pools/{pool}/join-tokens",
        create_join_token,
        JoinTokenCreate,
        JoinTokenCreated,
        CHANGE_FLEET,
        again=made_join_token,
    )
    front.write("DELETE", "/tokens/{token}", revoke_token, None, Result, (Action.REMOVE, Kind.TOKEN))
