"""Bodies of the REST API `/api/v1`: batches, jobs, pools, workers, plans, events."""

from typing import Any, Literal

import msgspec

from herder.wire.api.outlooks import BudgetOutlook


class ReasonView(msgspec.Struct, kw_only=True):
    kind: str
    text: str
    evidence: dict[str, Any] = {}


class Explanation(msgspec.Struct, kw_only=True):
    """Why something is as it is, from recorded facts. `facts` are in the order in which they happened or bind."""

    subject: str
    summary: str
    facts: list[ReasonView]


class OfferView(msgspec.Struct, kw_only=True):
    zone: str
    spot: bool
    price_per_hour_usd: str
    max_workers: int | None


class TemplateView(msgspec.Struct, kw_only=True):
    name: str
    cpu_milli: int
    memory_mib: int
    disk_mib: int
    gpu: int
    """Of split GPUs the parts."""
    slots: int
    price_per_hour_usd: str
    offers: list[OfferView] = []
    """As it is sold, where it is sold in zones or as spot."""
    gpu_model: str = ""
    gpu_parts: int = 1
    resources: dict[str, int] = {}
    """What the server declares beyond these, where there is some."""


class PoolView(msgspec.Struct, kw_only=True):
    name: str
    driver: str
    min_workers: int
    max_workers: int
    desired: int
    actual: int
    ready: int
    in_flight: int
    draining: int
    capacity: dict[str, int]
    used: dict[str, int]
    queued_jobs: int
    """That name it, or name none and find their cheapest template here: each job counts once."""
    frozen: bool
    cost_usd: str
    templates: list[TemplateView]
    settings: dict[str, Any]
    """The pool as `herder.yaml` would write it."""
    unseen: str = ""
    """Why it creates and removes no workers because its cluster is not seen, in sentences; empty: it is seen, or there is none."""


class WorkerView(msgspec.Struct, kw_only=True):
    name: str
    pool: str
    template: str
    driver: str
    state: str
    cordoned: bool
    cpu_milli: int
    memory_mib: int
    disk_mib: int
    gpu: int
    free: dict[str, int]
    attempts: int
    """Live attempts now."""
    attempts_done: int
    price_per_hour_usd: str
    cost_usd: str
    requested_at: str
    ready_at: str | None
    last_seen_at: str | None
    expires_at: str | None
    ended_at: str | None
    why_made: str
    why_removed: str
    plan: int
    handle: str
    zone: str = ""
    spot: bool = False
    resources: dict[str, int] = {}
    phase: str = ""
    """How far the provider is with its machine, as its driver said last."""
    step: str = ""
    """Of its creation: claim, create, configure, start, boot, join or ready; of a failed one the step in which it failed. Empty when it has
    become a worker."""
    step_since: str | None = None
    step_text: str = ""
    """What it does in this step, or waits for; empty when it is not being created."""
    tries: int = 0
    """Calls of the driver that failed to create its machine."""
    health: str = ""
    """healthy, troubled, excluded, on_test, silent, repairing, quarantined or alone; empty before it has joined and after it has gone."""
    health_reason: str = ""
    """Why it takes no work, or not any."""
    drain: str = ""
    """draining, blocked (its deadline has passed and the pool waits, or its driver is frozen) or drained (it is empty, and stays); empty
    without a drain."""
    drain_text: str = ""
    """How far the drain or the removal is, in sentences."""
    drain_until: str | None = None
    """Until when its attempts may run."""
    drain_keeps: bool = False
    """Whether it stays when it is empty."""
    interrupted_at: str | None = None
    """When its provider takes its machine back, as it was announced. None: nothing was."""
    interrupted_by: str = ""
    """Who has told that: agent or driver."""
    extensions: int = 0
    extensions_max: int | None = None
    """None: its pool was deleted."""
    time_left_s: int | None = None
    """Until its ttl ends; negative after that. None: it has no end."""
    soft_expires_at: str | None = None
    """From then on it may be replaced (ttl_soft)."""
    next_step: str = ""
    """What the clock brings next: ready, warning, soft_ttl, expiry, drain, removal or frozen; empty: nothing."""
    next_at: str | None = None
    agent_version: str = ""
    cluster: str = ""
    """Which cluster it is a node of; empty: of none."""
    node: str = ""
    """The name of its node; empty: it has none yet."""
    pods: int = 0
    """Workload pods on its node, as it was seen last."""


class PlanView(msgspec.Struct, kw_only=True):
    number: int
    made_at: str
    empty: bool
    actions: list[dict[str, Any]]
    pools: list[dict[str, Any]]
    unplaced: list[dict[str, Any]]
    cost_pico_per_hour: int = 0
    """Of the workers that are made for queued jobs; `bound_pico_per_hour`: the least that could do."""
    bound_pico_per_hour: int = 0
    outlook: list[BudgetOutlook] = []
    """Of the next plan: whether the budgets of pools last, with all workers as it wants them."""


class EventView(msgspec.Struct, kw_only=True):
    sequence: int
    at: str
    kind: str
    object: str
    """`worker/NAME`, `pool/NAME`, `batch/ID`, `plan/NUMBER`, `driver/NAME` …"""
    actor: str
    text: str
    data: dict[str, Any]


class ScaleRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`workers`: how many workers to add. They live for `ttl_s` seconds, or for the ttl of the pool."""

    workers: int
    template: str | None = None
    ttl_s: float | None = None
    reason: str = ""


class SafetyCheck(msgspec.Struct, kw_only=True):
    """One row of what a person should know before workers are added or removed."""

    name: str
    passed: bool | None
    """None: it is not known."""
    detail: str


class PlannedWorkers(msgspec.Struct, kw_only=True):
    """Workers of one offer that would be added."""

    template: str
    zone: str
    spot: bool
    workers: int
    price_per_hour_usd: str
    """Of each of them."""


class ScaleAnswer(msgspec.Struct, kw_only=True):
    pool: str
    workers: list[str]
    plan: int | None
    dry_run: bool
    reasons: list[ReasonView]
    checks: list[SafetyCheck] = []
    """Only of a dry run, like `offers`."""
    offers: list[PlannedWorkers] = []
    plan_hash: str | None = None
    """Only of a dry run, of calls that know `if_plan`: the real call with it is refused when the answer would differ now."""


class ApplyRequest(msgspec.Struct, kw_only=True):
    """Pools (already validated by `settings`) as plain data. Pools that are not named are not changed."""

    pools: list[dict[str, Any]]
    sharing: dict[str, Any] = {}
    """Sections fair_share, priority_classes, projects, users (their quotas): each that is given replaces the one before it."""
    budgets: dict[str, Any] = {}
    """By name, as herder.yaml writes them. Budgets that are not named are not changed."""
    ahead: bool = False
    """What budgets limit may come later: a pool, project, user or division that does not exist is no error."""


class ProviderFieldView(msgspec.Struct, kw_only=True):
    name: str
    before: str | None
    """Null: it was not set, or the object did not exist. The same for `after`."""
    after: str | None
    forces_replacement: bool
    """It cannot change while the object exists."""


class ProviderChangeView(msgspec.Struct, kw_only=True):
    """What it means for something that the provider keeps for a whole pool, such as a machine pool of ROSA."""

    driver: str
    object: str
    action: Literal["create", "update", "replace", "release"]
    """release: the pool no longer uses it."""
    fields: list[ProviderFieldView]
    note: str


class ApplyChange(msgspec.Struct, kw_only=True):
    pool: str
    change: Literal["created", "updated", "unchanged"]
    fields: dict[str, tuple[Any, Any]] = {}
    provider: list[ProviderChangeView] = []
    """Of drivers that say it."""


class ApplyAnswer(msgspec.Struct, kw_only=True):
    changes: list[ApplyChange]
    dry_run: bool
    price_per_hour_min_usd: str
    price_per_hour_max_usd: str
    sharing: dict[str, tuple[Any, Any]] = {}
    """What changes of it, by path: before and after."""
    budgets: dict[str, tuple[Any, Any]] = {}
    """The same of budgets."""
    outlook: list[BudgetOutlook] = []
    """Whether the budgets of pools last, with the pools and budgets as they are after it."""
    warnings: list[str] = []
    """What is removed because a section is replaced, and which budgets limit nothing then. Not in the answer to a repeated request, which removes nothing."""


class WorkerAction(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Body of cordon, uncordon, drain, extend and remove."""

    message: str = ""
    force: bool = False
    """Of drain and remove: end the attempts at once; they are tried again elsewhere."""
    timeout_s: float | None = None
    """Of drain and remove: how long the attempts may run from now on; the pool's drain_grace if not given."""
    extend_s: float | None = None
    """Of extend: by how much; the pool's own step if not given."""


class Message(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Body of writes without other fields: the reason, for the event."""

    message: str = ""


class Result(msgspec.Struct, kw_only=True):
    """The plain answer to a write: what changed, in a sentence."""

    object: str
    text: str
    dry_run: bool = False
    checks: list[SafetyCheck] = []
    """Only of a dry run that removes a worker."""
    plan_hash: str | None = None
    """Only of a dry run, of calls that know `if_plan`: the real call with it is refused when the answer would differ now."""


class Page(msgspec.Struct, kw_only=True):
    """A list with a cursor: pass `next` as `?after=` for the following page. It is null on the last page."""

    items: list[Any]
    next: str | None = None
    total: int | None = None


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details. `field` names the offending field; `hint` says what to do."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    code: str = ""
    field: str = ""
    hint: str = ""


class ServerView(msgspec.Struct, kw_only=True):
    """A server of an installation on PostgreSQL."""

    url: str
    role: str
    """leader or follower."""
    version: str
    started_at: str
    seen_s: float
    """Seconds since it was last heard of, through the database."""


class Status(msgspec.Struct, kw_only=True):
    """A summary of the fleet, for `herder status` and the head of the dashboard."""

    version: str
    now: str
    started_at: str
    jobs: dict[str, int]
    pools: list[PoolView]
    workers: dict[str, int]
    spend_usd: str
    spend_by_user: dict[str, str]
    price_per_hour_usd: str
    recent_failures: list[str]
    drivers: list[str] = []
    """Those that cannot be used, each in a sentence with the remedy."""
    clusters: list[str] = []
    """Each in a sentence: how it was seen, and then what is wrong with any."""
    attention: list[str] = []
    """What else a person must act on: frozen pools, jobs that no pool can take."""
    waiting: list[str] = []
    """Jobs that wait for pools at their limits: ordinary."""
    servers: list[ServerView] = []
    """The leader first; empty on SQLite, where there is one."""
    epoch: int = 0
    """How often a server has taken over the store; 0: not known."""
    as_of: str | None = None
    """The time of all this, where it is not now: no leader answers, and a follower read it from the store."""
