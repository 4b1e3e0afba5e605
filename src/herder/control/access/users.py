"""Users and tokens: create, change, list, delete and revoke. Every change is an event; no event contains a secret.

Called by `control/commands.py` and `control/reads/port.py`. Functions that change something are synchronous, fill `changes` and answer. Who wins:
a user that stands in the server's herder.yaml is changed there and nowhere else.
"""

import json
import re

from herder.control.access.access_check import OF_KIND, check, not_known
from herder.control.access.tokens import role_named, token_id
from herder.control.kernel.bounds.errors import Conflict, Forbidden, Invalid, Overloaded
from herder.control.kernel.bounds.limits import (
    NOTE_LENGTH,
    TOKEN_LONGEST_S,
    TOKENS_KEPT,
    TOKENS_LIVE,
    USERS_MAX,
    check_message,
)
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import derived_token, hash_token
from herder.engine.memory.events import record_event
from herder.model.ids import UserName
from herder.model.permissions import ROLES, Action, Kind, Principal, Role, Thing, Verdict, may
from herder.model.stored.changes import Changes
from herder.model.stored.records import TokenRecord, UserRecord
from herder.model.values.phrases import counted
from herder.model.values.times import iso, iso_or_none
from herder.wire.api.people import (
    TokenCreate,
    TokenCreated,
    TokenView,
    UserCreate,
    UserSet,
    UserView,
    WhoAmI,
)
from herder.wire.api.resources import Result

#: No spaces, quotes, slashes or signs that a shell knows; also addresses of mail.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
WEIGHT_MAX = 1_000_000
TOKEN_SHORTEST_S = 60


def create_user(core: Core, who: Principal, body: UserCreate, changes: Changes, now_ms: int) -> UserView:
    """Someone new. A name that was deleted before may come back, and has its jobs and batches again."""
    check(who, Action.CREATE, OF_KIND[Kind.USER])
    directory = core.directory
    if not NAME.fullmatch(body.name):
        raise Invalid(
            f"{body.name[:70]!r} is not a valid user name.",
            field="name",
            hint="Use at most 64 letters, digits and . _ @ + -; the first must be a letter or digit.",
        )
    role = role_named(body.role)
    _check_weight(body.weight)
    if UserName(body.name) in directory.users:
        raise Conflict(
            f"User {body.name} already exists.",
            field="name",
            hint=f"To change the user, run `herder user set {body.name}`.",
        )
    if len(directory.users) >= USERS_MAX:
        raise Overloaded(
            f"The server has {USERS_MAX:,} users, the maximum.",
            hint="Delete users with `herder user delete NAME`.",
        )
    user = directory.add_user(changes, body.name, role, body.weight, now_ms)
    core.state.weights[UserName(user.name)] = user.weight
    tell_user(
        core,
        changes,
        now_ms,
        "created",
        user,
        f"User {user.name} was created with the role {user.role}.",
        who.actor,
    )
    return view_of(user)


def set_user(core: Core, who: Principal, name: str, body: UserSet, changes: Changes, now_ms: int) -> UserView:
    """Another role or weight, from the next call of theirs on."""
    check(who, Action.CHANGE, OF_KIND[Kind.USER])
    old = _known(core, name)
    _not_declared(core, name)
    role = ROLES[old.role] if body.role is None else role_named(body.role)
    weight = old.weight if body.weight is None else body.weight
    _check_weight(weight)
    if role is not Role.ADMINISTRATOR:
        _not_the_last(core, name, "lose that role", now_ms)
    user = core.directory.add_user(changes, name, role, weight, now_ms)
    core.state.weights[UserName(name)] = weight
    differences = [
        f"{key} {before} → {after}"
        for key, before, after in (("role", old.role, user.role), ("weight", old.weight, user.weight))
        if before != after
    ]
    if differences:
        text = f"User {name} was changed: {', '.join(differences)}."
        tell_user(core, changes, now_ms, "updated", user, text, who.actor)
    return view_of(user)


def delete_user(
    core: Core, who: Principal, name: str, changes: Changes, now_ms: int, *, dry_run: bool
) -> Result:
    """Their tokens are worth nothing from now on. Jobs, batches and what they cost stay under their name; what runs goes on."""
    check(who, Action.REMOVE, OF_KIND[Kind.USER])
    user = _known(core, name)
    _not_declared(core, name)
    _not_the_last(core, name, "be deleted", now_ms)
    live = [record for record in core.directory.tokens_of(name) if _usable(record, now_ms)]
    tokens = counted(len(live), "token")
    text = f"User {name} was deleted and {tokens} revoked. Jobs and batches are kept."
    if dry_run:
        text = f"User {name} would be deleted and {tokens} revoked. Jobs and batches would be kept."
    else:
        for record in live:
            core.directory.put_token(changes, record._replace(revoked_at_ms=now_ms))
            _tell_token(core, changes, now_ms, "revoked", record, who.actor)
        del core.directory.users[UserName(name)]
        core.state.weights.pop(UserName(name), None)
        changes.put(user._replace(deleted_at_ms=now_ms))
        tell_user(core, changes, now_ms, "deleted", user, f"User {name} was deleted.", who.actor)
    return Result(object=f"user/{name}", text=text, dry_run=dry_run)


def create_token(
    core: Core, who: Principal, body: TokenCreate, changes: Changes, now_ms: int, *, key: str | None
) -> TokenCreated:
    """A token of oneself, or by an administrator of anybody: never above the role of its user or of the token that makes it.

    `key`: the same call again gets the same token, without its ever being stored. One that has ended does not live again.
    """
    name = who.user if body.user is None else body.user
    check(who, Action.CREATE, Thing(kind=Kind.TOKEN, owner=name))
    check_message(body.note, "note", NOTE_LENGTH)
    user = core.directory.users.get(UserName(name))
    if user is None:
        raise Invalid(
            f"There is no user {name[:70]!r}.", field="user", hint="`herder user list` shows the users."
        )
    role = _token_role(who, user, body.role)
    expires_at_ms = _token_end(who, body.expires_in_s, now_ms)
    made = _derived(core, who, body, key) if key else None
    if made is not None and hash_token(made) in core.directory.tokens:
        return made_token(core, who, body, key or "")
    _check_room(core, name, now_ms)
    token = core.directory.add_token(
        changes, name, role, body.note, now_ms, token=made, expires_at_ms=expires_at_ms
    )
    record = core.directory.tokens[hash_token(token)]
    _tell_token(core, changes, now_ms, "created", record, who.actor)
    return _created(token, record)


def made_token(core: Core, who: Principal, body: TokenCreate, key: str) -> TokenCreated:
    """What the same call with this key made. A token that has ended is not told again, and does not live again."""
    token = _derived(core, who, body, key)
    record = core.directory.tokens.get(hash_token(token))
    if record is None or not _usable(record, core.clock.now_ms()):
        raise Conflict(
            "The token that was created with this Idempotency-Key has expired or was revoked.",
            hint="Use a new key for a new token.",
        )
    user = _known(core, record.user)
    check(who, Action.CREATE, Thing(kind=Kind.TOKEN, owner=record.user))
    _token_role(who, user, record.role if ROLES[record.role] <= ROLES[user.role] else user.role)
    return _created(token, record)


def _derived(core: Core, who: Principal, body: TokenCreate, key: str) -> str:
    """From the request alone: what the user may, and the time, can be others when it comes again."""
    asked = json.dumps(["token", who.user, key, body.user, body.role, body.note, body.expires_in_s])
    return derived_token(core.settings.secret, asked)


def revoke_token(core: Core, who: Principal, wanted: str, changes: Changes, now_ms: int) -> Result:
    """By its id. One's own, as far as it may no more than the token that is shown; by an administrator any."""
    record = next((each for each in core.directory.tokens.values() if token_id(each.hash) == wanted), None)
    if record is None:
        raise not_known(Kind.TOKEN, wanted[:50])
    thing = Thing(kind=Kind.TOKEN, name=wanted, owner=record.user, least=_least_to_revoke(core, who, record))
    check(who, Action.REMOVE, thing, f"Revoking token {wanted}")
    if record.revoked_at_ms is not None:
        return Result(
            object=f"token/{wanted}",
            text=f"Token {wanted} was already revoked at {iso(record.revoked_at_ms)}.",
        )
    core.directory.put_token(changes, record._replace(revoked_at_ms=now_ms))
    _tell_token(core, changes, now_ms, "revoked", record, who.actor)
    return Result(object=f"token/{wanted}", text=f"Token {wanted} of {record.user} was revoked.")


def token_views(core: Core, who: Principal, *, user: str | None, revoked: bool) -> list[TokenView]:
    """Newest first; those that are revoked or over only when asked for."""
    check(who, Action.SEE, OF_KIND[Kind.TOKEN])
    if user is not None and may(who, Action.SEE, Thing(kind=Kind.USER, owner=user)) is not Verdict.ALLOWED:
        raise not_known(Kind.USER, user[:70])
    now_ms = core.clock.now_ms()
    found = [
        _token_view(core, record, now_ms)
        for record in core.directory.tokens.values()
        if user in (None, record.user)
        and (revoked or _usable(record, now_ms))
        and may(who, Action.SEE, Thing(kind=Kind.TOKEN, owner=record.user)) is Verdict.ALLOWED
    ]
    return sorted(found, key=lambda view: (view.created_at, view.id), reverse=True)


def who_am_i(core: Core, who: Principal) -> WhoAmI:
    user = core.directory.users.get(who.user)
    return WhoAmI(
        user=who.user,
        role=who.role.label,
        user_role=user.role if user is not None else who.role.label,
        token=who.token,
        expires_at=iso_or_none(who.expires_at_ms),
        projects={name: min(role, who.role).label for name, role in sorted(who.projects.items())},
    )


def tell_user(
    core: Core, changes: Changes, now_ms: int, verb: str, user: UserRecord, text: str, actor: str
) -> None:
    data: dict[str, object] = {"role": user.role, "weight": user.weight}
    record_event(
        core.state, changes, now_ms, f"user.{verb}", f"user/{user.name}", text,
        actor=actor, data=data, owner=user.name,
    )  # fmt: skip


def _tell_token(
    core: Core, changes: Changes, now_ms: int, verb: str, record: TokenRecord, actor: str
) -> None:
    name = token_id(record.hash)
    note = f" ({record.note})" if record.note else ""
    record_event(
        core.state, changes, now_ms, f"token.{verb}", f"token/{name}",
        f"Token {name} of {record.user} was {verb}{note}.",
        actor=actor,
        data={"role": record.role, "note": record.note, "expires_at": iso_or_none(record.expires_at_ms)},
        owner=record.user,
    )  # fmt: skip


def _known(core: Core, name: str) -> UserRecord:
    user = core.directory.users.get(UserName(name))
    if user is None:
        raise not_known(Kind.USER, name[:70])
    return user


def _not_declared(core: Core, name: str) -> None:
    if UserName(name) in core.directory.declared:
        raise Conflict(
            f"User {name} is declared in the server's herder.yaml and can only be changed there.",
            hint="Change the entry under `users` in that file, then restart the server.",
        )


def _not_the_last(core: Core, name: str, what: str, now_ms: int) -> None:
    """One administrator stays, and one who has a token: without it no token could be created."""
    directory = core.directory
    others = [each for each in directory.administrators if each != name]
    if name not in directory.administrators:
        return
    if not others:
        raise Conflict(
            f"{name} is the only administrator and cannot {what}.",
            hint="Make another user an administrator first: `herder user set NAME --role administrator`.",
        )
    if not any(directory.keys_of(each, now_ms) for each in others):
        raise Conflict(
            f"{name} is the only administrator with a token and cannot {what}.",
            hint=f"Create a token for another administrator first: `herder token create {others[0]}`.",
        )


def _check_weight(weight: int) -> None:
    if not 1 <= weight <= WEIGHT_MAX:
        raise Invalid(f"The weight {weight} is not between 1 and {WEIGHT_MAX:,}.", field="weight")


def _token_role(who: Principal, user: UserRecord, wanted: str | None) -> Role:
    most = ROLES[user.role]
    if user.name == who.user:
        most = min(most, who.role)
    if wanted is None:
        return most
    role = role_named(wanted)
    if role > most:
        whose = (
            f"the token of this request has the role {most.label}"
            if most < ROLES[user.role]
            else f"{user.name} has the role {most.label}"
        )
        raise Forbidden(
            f"The token cannot have the role {role.label}: {whose}.",
            field="role",
            hint=f"Omit --role, or ask an administrator to run `herder user set {user.name} --role {role.label}`.",
        )
    return role


def _token_end(who: Principal, seconds: float | None, now_ms: int) -> int | None:
    """A token that is made with one that ends does not outlive it."""
    if seconds is None:
        return who.expires_at_ms
    if not TOKEN_SHORTEST_S <= seconds <= TOKEN_LONGEST_S:
        raise Invalid(
            f"A token must expire after {TOKEN_SHORTEST_S} s to {TOKEN_LONGEST_S // 86_400:,} days.",
            field="expires_in_s",
        )
    end_ms = now_ms + int(seconds * 1000)
    return end_ms if who.expires_at_ms is None else min(end_ms, who.expires_at_ms)


def _check_room(core: Core, name: str, now_ms: int) -> None:
    records = core.directory.tokens_of(name)
    live = sum(_usable(record, now_ms) for record in records)
    if live >= TOKENS_LIVE:
        raise Overloaded(
            f"{name} has {live} tokens; the maximum is {TOKENS_LIVE}.",
            hint="Revoke tokens that are not in use: `herder token revoke ID`.",
        )
    if len(records) >= TOKENS_KEPT:
        raise Overloaded(
            f"{len(records):,} tokens of {name} were created in the last 30 days; the maximum is {TOKENS_KEPT:,}.",
            hint="Use existing tokens.",
        )


def _least_to_revoke(core: Core, who: Principal, record: TokenRecord) -> Role:
    """A narrow token that has leaked cannot take away the wider ones of its user."""
    if token_id(record.hash) == who.token:
        return Role.VIEWER
    user = core.directory.users.get(UserName(record.user))
    return min(ROLES[record.role], ROLES[user.role]) if user is not None else ROLES[record.role]


def _usable(record: TokenRecord, now_ms: int) -> bool:
    return record.revoked_at_ms is None and (record.expires_at_ms is None or now_ms < record.expires_at_ms)


def _created(token: str, record: TokenRecord) -> TokenCreated:
    return TokenCreated(
        token=token,
        id=token_id(record.hash),
        user=record.user,
        role=record.role,
        expires_at=iso_or_none(record.expires_at_ms),
    )


def _token_view(core: Core, record: TokenRecord, now_ms: int) -> TokenView:
    state = "active" if _usable(record, now_ms) else "expired" if record.revoked_at_ms is None else "revoked"
    if state == "active" and record.join_uses_left == 0:
        state = "used"
    joins = record.join_pool or ""
    left = f"pool {joins}: {counted(record.join_uses_left or 0, 'machine')} of template {record.join_template} may join"
    return TokenView(
        id=token_id(record.hash),
        user=record.user,
        role="join" if joins else record.role,
        note="; ".join(filter(None, (record.note, left))) if joins else record.note,
        joins=joins,
        state=state,
        created_at=iso(record.created_at_ms),
        expires_at=iso_or_none(record.expires_at_ms),
        last_used_at=iso_or_none(core.directory.last_used_ms(record)),
        revoked_at=iso_or_none(record.revoked_at_ms),
    )


def view_of(user: UserRecord) -> UserView:
    return UserView(name=user.name, role=user.role, weight=user.weight)  # type: ignore[arg-type]
