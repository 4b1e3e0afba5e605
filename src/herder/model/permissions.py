"""Who may do what to which object: one pure function, `may`, and the same rule as a filter for lists, `Scope`.

Asked by every command and every read of `control/`, so API, dashboard, event streams and metrics answer alike. An object that a caller
may not see does not exist for them (404); what they may see but not change is refused (403). It looks nothing up: a caller brings
the principal, made anew for each call from the records of token and user (`control/access/tokens.py`), and what the object is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Literal

from herder.model.ids import UserName


class Role(IntEnum):
    """Each may do what the ones before it may."""

    VIEWER = 1
    USER = 2
    OPERATOR = 3
    ADMINISTRATOR = 4

    @property
    def label(self) -> str:
        return self.name.lower()


#: The labels, for what checks types.
RoleName = Literal["viewer", "user", "operator", "administrator"]
ROLES: Mapping[str, Role] = MappingProxyType({role.label: role for role in Role})
NO_PROJECTS: Mapping[str, Role] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody for the length of one call. `role` is the lower one of the token's and the user's."""

    user: UserName
    role: Role
    projects: Mapping[str, Role] = field(default_factory=lambda: NO_PROJECTS)
    """Where the user is a member: as what. Only a viewer or a user; never more than `role` takes effect."""
    token: str = ""
    """The id of the token that was shown; empty for the server itself."""
    expires_at_ms: int | None = None
    """When that token ends."""

    @property
    def actor(self) -> str:
        return f"user/{self.user}"


class Action(StrEnum):
    SEE = "see"
    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"


class Kind(StrEnum):
    """Kinds of objects, as far as rights differ."""

    FLEET = "fleet"
    """Pools, workers, plans, drivers, the status and how the fleet is shared."""
    POOL = "pool"
    DRIVER = "driver"
    CONSOLE = "console"
    BOOKS = "books"
    """The invariants."""
    COST = "cost"
    """Lines of the ledger, and its months."""
    JOB = "job"
    BATCH = "batch"
    PROJECT = "project"
    PRIORITY = "priority"
    EVENT = "event"
    USER = "user"
    TOKEN = "token"
    USAGE = "usage"
    """Reports of use from outside."""
    SECRET = "secret"
    """Nobody reads its value; to see it is to see that it exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object as `may` looks at it. Of a list or of something that is yet to be made only the kind may be known."""

    kind: Kind
    name: str = ""
    owner: str | None = None
    """None: it is asked of the kind alone. Empty: it is nobody's own, as an event of the fleet."""
    project: str = ""
    members_only: bool = False
    """Of a project: whether it names its members; then nobody else may submit to it."""
    least: Role = Role.VIEWER
    """Of a priority and of a token: the least role for it."""


class Verdict(Enum):
    ALLOWED = 0
    REFUSED = 403
    UNKNOWN = 404
    """It is not told whether there is such a thing."""


#: The least role for an action on a kind, whoever the owner is.
LEAST: Mapping[tuple[Action, Kind], Role] = MappingProxyType(
    {
        (Action.SEE, Kind.FLEET): Role.VIEWER,
        (Action.CHANGE, Kind.FLEET): Role.OPERATOR,
        (Action.REMOVE, Kind.POOL): Role.ADMINISTRATOR,
        (Action.REMOVE, Kind.DRIVER): Role.ADMINISTRATOR,
        (Action.SEE, Kind.CONSOLE): Role.OPERATOR,
        (Action.SEE, Kind.BOOKS): Role.OPERATOR,
        (Action.SEE, Kind.COST): Role.VIEWER,
        (Action.CHANGE, Kind.COST): Role.ADMINISTRATOR,
        (Action.SEE, Kind.JOB): Role.VIEWER,
        (Action.CREATE, Kind.JOB): Role.USER,
        (Action.CHANGE, Kind.JOB): Role.USER,
        (Action.SEE, Kind.BATCH): Role.VIEWER,
        (Action.CREATE, Kind.BATCH): Role.USER,
        (Action.CHANGE, Kind.BATCH): Role.USER,
        (Action.SEE, Kind.PROJECT): Role.VIEWER,
        (Action.CREATE, Kind.PRIORITY): Role.USER,
        (Action.SEE, Kind.EVENT): Role.VIEWER,
        (Action.SEE, Kind.USER): Role.VIEWER,
        (Action.CREATE, Kind.USER): Role.ADMINISTRATOR,
        (Action.CHANGE, Kind.USER): Role.ADMINISTRATOR,
        (Action.REMOVE, Kind.USER): Role.ADMINISTRATOR,
        (Action.SEE, Kind.TOKEN): Role.VIEWER,
        (Action.CREATE, Kind.TOKEN): Role.VIEWER,
        (Action.REMOVE, Kind.TOKEN): Role.VIEWER,
        (Action.SEE, Kind.USAGE): Role.VIEWER,
        (Action.CREATE, Kind.USAGE): Role.USER,
        (Action.SEE, Kind.SECRET): Role.VIEWER,
        (Action.CREATE, Kind.SECRET): Role.USER,
        (Action.CHANGE, Kind.SECRET): Role.USER,
        (Action.REMOVE, Kind.SECRET): Role.USER,
    }
)
#: From this role on one reports use of others.
OTHERS_USAGE = Role.OPERATOR
#: From this role on one sees, and may change, what belongs to others.
_OF_OTHERS: Mapping[Kind, Role] = MappingProxyType(
    {
        Kind.JOB: Role.OPERATOR,
        Kind.BATCH: Role.OPERATOR,
        Kind.EVENT: Role.OPERATOR,
        Kind.USAGE: OTHERS_USAGE,
        Kind.USER: Role.OPERATOR,
        Kind.COST: Role.OPERATOR,
        Kind.TOKEN: Role.ADMINISTRATOR,
        Kind.SECRET: Role.ADMINISTRATOR,
    }
)
_WORK = (Kind.JOB, Kind.BATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose jobs, batches and events a caller sees: their own and those of projects in which they are a member."""

    user: str
    projects: frozenset[str] = frozenset()

    def covers(self, owner: str, project: str) -> bool:
        return owner == self.user or project in self.projects


def scope_of(who: Principal, kind: Kind = Kind.JOB) -> Scope | None:
    """For filters of lists. None: everything."""
    if who.role >= _OF_OTHERS[kind]:
        return None
    return Scope(user=who.user, projects=frozenset(who.projects))


def may(who: Principal, action: Action, thing: Thing) -> Verdict:
    """The whole of access control. A pair of action and kind that is not in `LEAST` is always refused."""
    least = LEAST.get((action, thing.kind))
    if least is None or who.role < least:
        return Verdict.REFUSED
    if thing.owner is not None and thing.kind in _OF_OTHERS:
        verdict = _of_owner(who, action, thing)
        if verdict is not Verdict.ALLOWED:
            return verdict
    return Verdict.ALLOWED if who.role >= thing.least else Verdict.REFUSED


def _of_owner(who: Principal, action: Action, thing: Thing) -> Verdict:
    if thing.kind in _WORK and action is Action.CREATE:
        return Verdict.ALLOWED if _may_submit(who, thing) else Verdict.REFUSED
    if not _sees(who, thing):
        return Verdict.REFUSED if action is Action.CREATE else Verdict.UNKNOWN
    if thing.kind in _WORK and action is Action.CHANGE and not _may_change(who, thing):
        return Verdict.REFUSED
    if thing.kind is Kind.SECRET and not _may_keep(who, action, thing):
        return Verdict.REFUSED
    return Verdict.ALLOWED


def _sees(who: Principal, thing: Thing) -> bool:
    scope = scope_of(who, thing.kind)
    if scope is None or (thing.kind is Kind.EVENT and not thing.owner):
        return True
    if thing.kind in (Kind.USER, Kind.TOKEN):
        return thing.owner == who.user
    return scope.covers(thing.owner or "", thing.project)


def _may_change(who: Principal, thing: Thing) -> bool:
    if who.user == thing.owner or who.role >= _OF_OTHERS[thing.kind]:
        return True
    return who.projects.get(thing.project, Role.VIEWER) >= Role.USER


def _may_submit(who: Principal, thing: Thing) -> bool:
    if not thing.members_only or who.role >= _OF_OTHERS[thing.kind]:
        return True
    return who.projects.get(thing.project, Role.VIEWER) >= Role.USER


def _may_keep(who: Principal, action: Action, thing: Thing) -> bool:
    """A secret: its owner and members of its project with the role user set and use it; administrators can only remove it."""
    if action is Action.SEE or who.user == thing.owner:
        return True
    if action is Action.REMOVE and who.role >= _OF_OTHERS[Kind.SECRET]:
        return True
    return bool(thing.project) and who.projects.get(thing.project, Role.VIEWER) >= Role.USER
