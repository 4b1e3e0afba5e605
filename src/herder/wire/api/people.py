"""Bodies of the REST API about users, projects, tokens and the caller."""

import msgspec

from herder.model.permissions import RoleName


class UserCreate(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    role: RoleName = "user"
    weight: int = 1


class UserSet(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Fields that are omitted are not changed."""

    role: RoleName | None = None
    weight: int | None = None


class WhoAmI(msgspec.Struct, kw_only=True):
    """The caller as the server sees it. `role` is the lower one of the token's and the user's."""

    user: str
    role: str
    user_role: str
    token: str
    """The token's id."""
    expires_at: str | None
    projects: dict[str, str]
    """In which the user is a member, and as what."""


class TokenCreate(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Without `user`, the token is the caller's."""

    user: str | None = None
    role: RoleName | None = None
    """None: as much as the user may, or the token with which it is made. It may only be less."""
    note: str = ""
    expires_in_s: float | None = None


class JoinTokenCreate(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A token by which machines join a pool, as workers of one of its templates; the cheapest if none is named."""

    template: str | None = None
    uses: int = 1
    """So many machines."""
    expires_in_s: float | None = None
    """An hour if not given."""
    note: str = ""


class JoinTokenCreated(msgspec.Struct, kw_only=True):
    """The token is shown once."""

    token: str
    id: str
    pool: str
    template: str
    uses: int
    expires_at: str
    server_url: str
    """Where machines call."""


class TokenView(msgspec.Struct, kw_only=True):
    id: str
    user: str
    role: str
    note: str
    state: str
    """active, expired or revoked."""
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    """To the hour."""
    revoked_at: str | None
    joins: str = ""
    """Of a join token: the pool that machines join with it."""


class TokenCreated(msgspec.Struct, kw_only=True):
    """The token is shown once and stored only as a hash; `id` names it in lists."""

    token: str
    user: str
    role: str
    id: str = ""
    expires_at: str | None = None


class UserView(msgspec.Struct, kw_only=True):
    name: str
    role: RoleName
    weight: int
    cost_usd: str = "0"
    quota: dict[str, int] = {}
    """Of cpu_milli, memory_mib, gpu and jobs, those that are limited. Set in herder.yaml."""
    used: dict[str, int] = {}
    queued_jobs: int = 0
    """That wait for a worker."""


class ProjectView(msgspec.Struct, kw_only=True):
    """Amounts by cpu_milli, memory_mib, gpu and jobs (live attempts); what is not limited is left out, but for `used`."""

    name: str
    cohort: str
    nominal_quota: dict[str, int]
    borrowing_limit: dict[str, int]
    lending_limit: dict[str, int]
    used: dict[str, int]
    borrowed: dict[str, int]
    may_start: dict[str, int]
    """What is left, with what may be borrowed now."""
    queued_jobs: int
    cost_usd: str
    division: str
    """To which its costs belong; empty: none."""
    rate_card: str
    """By which it is charged."""
