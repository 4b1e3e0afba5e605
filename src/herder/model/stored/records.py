"""Rows as the engine writes them: one tuple type per table, fields named and ordered as the table's columns.

A record is the whole current state of its row, not a difference, so writing it twice changes nothing and only the last
one of a row in a commit matters. `KEY` is how many leading fields identify the row; 0 means the row is only appended.
Its values are plain: a member of an enum costs the SQLite driver ten times as much as a number.
`store/rows/tables.py` has the columns; a test holds the two together.
"""

from typing import NamedTuple

from herder.model.stored.alert_records import AlertRecord
from herder.model.stored.budget_records import BudgetRecord, BudgetSpanRecord, LeaseRecord, TransferRecord
from herder.model.stored.ledger_records import LEDGER_KEYS, LedgerRecord
from herder.model.stored.metering_records import MeteredDayRecord, RateRecord, UsageEventRecord
from herder.model.stored.service_records import CallbackRecord, PipelineRecord, ScheduleRecord, SecretRecord


class JobNew(NamedTuple):
    """A job as it is accepted. Later changes are `JobStatus`."""

    id: int
    batch_id: int | None
    position: int
    class_id: int
    key: str | None
    payload: str
    created_at_ms: int
    state: int
    ready_at_ms: int | None
    user: str = ""
    project: str = ""
    request: str | None = None
    """Of a single job: the request that made it, as USER/KEY; `fingerprint`: what was asked for."""
    fingerprint: str | None = None


class JobStatus(NamedTuple):
    id: int
    state: int
    attempts: int
    failures: int
    cause: str
    ready_at_ms: int | None
    ended_at_ms: int | None
    not_before_ms: int | None = None
    """It is ready and waits for this time after a fault of a worker."""


class JobParent(NamedTuple):
    child_id: int
    parent_id: int
    batch_id: int


class JobClassRecord(NamedTuple):
    id: int
    user: str
    project: str
    pool: str
    spec: str


class JobClassChange(NamedTuple):
    """A job is tried again in another class. Only this field of its row changes."""

    id: int
    class_id: int


class EarlierClassRecord(NamedTuple):
    """Of a job whose class has changed: the class of its attempts up to this one, as far as no earlier row has it."""

    job_id: int
    attempt: int
    class_id: int


class AttemptRecord(NamedTuple):
    job_id: int
    attempt: int
    worker: str
    state: int
    cause: str
    message: str
    exit_code: int | None
    assigned_at_ms: int
    started_at_ms: int | None
    ended_at_ms: int | None
    cpu_ms: int
    memory_peak_mib: int
    result: str | None
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_cached: int = 0


class BatchRecord(NamedTuple):
    id: int
    user: str
    project: str
    name: str
    state: str
    attributes: str
    cancel_after_failures: int | None
    counts: str
    jobs: int
    cost_pico: str
    """Filled in by the kernel, from the ledger (`control/kernel/jobs/usage_ledger.py`)."""
    created_at_ms: int
    committed_at_ms: int | None
    ended_at_ms: int | None
    request: str | None = None
    fingerprint: str | None = None
    hold: int = 0
    """Its ready jobs are held: their rows say ready."""
    parallel_max: int | None = None
    accepts: int = 0
    """Jobs may be added until it is closed."""
    callback: str = ""
    """The URL that is called at its end; empty: none."""


class BunchRecord(NamedTuple):
    """Jobs that were added to a batch together by a request with a key."""

    first_job: int
    batch_id: int
    jobs: int
    request: str | None
    fingerprint: str | None


class JobGroupRecord(NamedTuple):
    """`id` is unique in the batch. Counts include those of the groups below."""

    batch_id: int
    id: int
    path: str
    attributes: str
    cancel_after_failures: int | None
    cancelled: int
    counts: str
    jobs: int
    cost_pico: str
    """Empty: unknown."""
    callback: str
    """The URL that is called at its end; empty: none."""
    ended_at_ms: int | None
    """None: it has not ended, or ended before this was written down."""


class JobRangeRecord(NamedTuple):
    """Jobs that follow one another and have the same group and attributes; those that have neither are in no range."""

    first_job: int
    jobs: int
    batch_id: int | None
    group_id: int | None
    attributes: str


class UsageRecord(NamedTuple):
    """Running totals of ended attempts. Pico-USD as text: a sum of many may pass 64 bits."""

    user: str
    project: str
    pool: str
    attempts: int
    cost_pico: str


class TotalRecord(NamedTuple):
    """A counter that outlives the rows that it counts (see `engine/memory/totals.py`, `control/kernel/jobs/usage_ledger.py` and `store/writing/retention.py`)."""

    name: str
    value: str


class WorkerRecord(NamedTuple):
    name: str
    pool: str
    template: str
    driver: str
    state: str
    cordoned: int
    manual: int
    spec: str
    handle: str
    plan: int
    requested_at_ms: int
    provisioned_at_ms: int | None
    ready_at_ms: int | None
    draining_at_ms: int | None
    last_seen_at_ms: int | None
    expires_at_ms: int | None
    extensions: int
    ended_at_ms: int | None
    attempts_done: int
    token_hash: str | None
    activation_hash: str | None
    activation_nonce: str | None
    reason_made: str
    reason_removed: str
    phase: str
    """How far the provider is with its machine, as the driver said last; empty: not asked yet."""
    operation: str
    """The provider's id of what is under way."""
    drain: str = ""
    """`model.fleet.drain.Drain` as JSON; empty: it is not being drained."""
    agent_version: str = ""
    warned_expiry_ms: int | None = None
    """The expiry that was announced; `expired_ms`: the one that has come while it still works."""
    expired_ms: int | None = None
    health: str = ""
    """Its conditions, its repair and its quarantine (`engine/memory/worker_repair.py`); empty: there is nothing."""
    creation: str = ""
    """`model.fleet.creation.Creation` as JSON: how far it is; empty: it is over."""
    node: str = ""
    """`engine.memory.worker_node.NodeLife` as JSON: which node of its cluster it is; empty: it is none."""


class PoolRecord(NamedTuple):
    name: str
    spec: str
    frozen: int
    deleted: int
    updated_at_ms: int


class PlanRecord(NamedTuple):
    number: int
    made_at_ms: int
    empty: int
    body: str
    version: int = 1
    """Of the form of `body` (see `store/rows/versions.py`)."""


class ObservationRecord(NamedTuple):
    """What a plan was made from (see `store/writing/flight_recorder.py`). `follows`: the plan whose observation this one builds on; None: it
    stands alone. `size`: of the body."""

    plan: int
    follows: int | None
    at_ms: int
    size: int
    body: str
    version: int = 1


class EventRecord(NamedTuple):
    sequence: int
    at_ms: int
    kind: str
    object: str
    actor: str
    text: str
    data: str
    user: str = ""
    """Whose it is: only they, members of the project and operators are told. Empty: it is about the fleet, and for all."""
    project: str = ""
    request: str | None = None
    """The request that did it, as USER/KEY, when it had a key; of several events of one request the first has it."""
    fingerprint: str | None = None


class LogRecord(NamedTuple):
    job_id: int
    attempt: int
    offset: int
    text: str


class UserRecord(NamedTuple):
    name: str
    role: str
    weight: int
    created_at_ms: int
    deleted_at_ms: int | None = None


class TokenRecord(NamedTuple):
    hash: str
    user: str
    role: str
    note: str
    created_at_ms: int
    revoked_at_ms: int | None
    expires_at_ms: int | None = None
    last_used_at_ms: int | None = None
    """Written down at most once an hour."""
    join_pool: str | None = None
    """Of a token by which machines join this pool; it opens nothing else."""
    join_template: str | None = None
    join_uses_left: int | None = None


class SessionRecord(NamedTuple):
    """A signed-in browser. Each token has a fixed number of places for them; an empty hash is a free place."""

    token_hash: str
    place: int
    hash: str
    expires_at_ms: int


class MetaRecord(NamedTuple):
    key: str
    value: str


Record = (
    JobStatus
    | JobClassRecord
    | JobClassChange
    | EarlierClassRecord
    | AttemptRecord
    | BatchRecord
    | UsageRecord
    | WorkerRecord
    | PoolRecord
    | PlanRecord
    | ObservationRecord
    | EventRecord
    | LogRecord
    | UserRecord
    | TokenRecord
    | SessionRecord
    | SecretRecord
    | ScheduleRecord
    | PipelineRecord
    | LedgerRecord
    | RateRecord
    | UsageEventRecord
    | MeteredDayRecord
    | BudgetRecord
    | BudgetSpanRecord
    | LeaseRecord
    | TransferRecord
    | BunchRecord
    | JobGroupRecord
    | JobRangeRecord
    | CallbackRecord
    | AlertRecord
    | TotalRecord
    | MetaRecord
    | JobParent
)

#: How many leading fields identify a row. Rows of `JobNew` are inserted; a `JobStatus` updates one of them.
KEYS: dict[type, int] = {
    JobNew: 1,
    JobStatus: 1,
    JobParent: 2,
    JobClassRecord: 1,
    JobClassChange: 1,
    EarlierClassRecord: 2,
    AttemptRecord: 2,
    BatchRecord: 1,
    UsageRecord: 3,
    WorkerRecord: 1,
    PoolRecord: 1,
    PlanRecord: 1,
    ObservationRecord: 1,
    EventRecord: 1,
    LogRecord: 3,
    UserRecord: 1,
    TokenRecord: 1,
    SessionRecord: 2,
    SecretRecord: 3,
    ScheduleRecord: 1,
    PipelineRecord: 1,
    **LEDGER_KEYS,
    RateRecord: 1,
    UsageEventRecord: 3,
    MeteredDayRecord: 8,
    BudgetRecord: 1,
    BudgetSpanRecord: 2,
    LeaseRecord: 1,
    TransferRecord: 1,
    BunchRecord: 1,
    JobGroupRecord: 2,
    JobRangeRecord: 1,
    CallbackRecord: 1,
    AlertRecord: 1,
    TotalRecord: 1,
    MetaRecord: 1,
}
