"""The tables, for SQLAlchemy Core. Columns stand in the order of the records in `model/stored/records.py` (a test holds them together).

Integers are 64-bit. Amounts that are summed over many rows are text (see `model/values/money.py`); one attempt or worker fits 64 bits.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, literal_column, text

from herder.model.stored.alert_records import AlertRecord
from herder.model.stored.budget_records import BudgetRecord, BudgetSpanRecord, LeaseRecord, TransferRecord
from herder.model.stored.metering_records import MeteredDayRecord, RateRecord, UsageEventRecord
from herder.model.stored.records import (
    AttemptRecord,
    BatchRecord,
    BunchRecord,
    EarlierClassRecord,
    EventRecord,
    JobClassRecord,
    JobGroupRecord,
    JobNew,
    JobParent,
    JobRangeRecord,
    LogRecord,
    MetaRecord,
    ObservationRecord,
    PlanRecord,
    PoolRecord,
    SessionRecord,
    TokenRecord,
    TotalRecord,
    UsageRecord,
    UserRecord,
    WorkerRecord,
)
from herder.model.stored.service_records import CallbackRecord, PipelineRecord, ScheduleRecord, SecretRecord
from herder.model.work.job import JobState
from herder.store.rows import (
    alert_table,
    budget_tables,
    callback_table,
    class_table,
    columns,
    group_tables,
    ledger_tables,
    metering_tables,
    pipeline_table,
    schedule_table,
    secrets_table,
    server_tables,
)

metadata = columns.metadata
_int, _text, _owner = columns.number, columns.words, columns.later
job_classes, earlier_classes = class_table.job_classes, class_table.earlier_classes
job_groups, job_ranges, secrets = group_tables.job_groups, group_tables.job_ranges, secrets_table.secrets

#: Jobs and batches that name no project are of this one.
DEFAULT_PROJECT = "default"

jobs = Table(
    "jobs",
    metadata,
    # SQLite makes the key the row's own number only when it is called INTEGER.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    _int("batch_id", null=True),
    _int("position"),
    _int("class_id"),
    _text("key", null=True),
    _text("payload"),
    _int("created_at_ms"),
    _int("state"),
    _int("ready_at_ms", null=True),
    Column("attempts", BigInteger, nullable=False, server_default=text("0")),
    Column("failures", BigInteger, nullable=False, server_default=text("0")),
    Column("cause", Text, nullable=False, server_default=text("''")),
    _int("ended_at_ms", null=True),
    _owner("user"),
    _owner("project"),
    _int("not_before_ms", null=True),
    # Of single jobs: the request that made it, as USER/KEY, and what was asked for.
    _text("request", null=True),
    _text("fingerprint", null=True),
)
Index("jobs_by_user", jobs.c.user, jobs.c.id)
# Members of a project list its jobs; the project that jobs are of when they name none is left out, to keep submissions cheap.
Index(
    "jobs_by_project",
    jobs.c.project,
    jobs.c.id,
    sqlite_where=jobs.c.project != DEFAULT_PROJECT,
    postgresql_where=jobs.c.project != DEFAULT_PROJECT,
)
# `job list --name`; most jobs have no name.
Index(
    "jobs_by_name",
    jobs.c.key,
    jobs.c.id,
    sqlite_where=jobs.c.key.is_not(None),
    postgresql_where=jobs.c.key.is_not(None),
)
Index("jobs_by_batch", jobs.c.batch_id, jobs.c.position)

#: Said in words in a query, or SQLite does not see that `jobs_not_succeeded` will do: it compares the texts of conditions.
NOT_SUCCEEDED = jobs.c.state != literal_column(str(int(JobState.SUCCEEDED)))


def _by_request(table: Table) -> None:
    """A request makes a thing once: nobody's key stands on two rows."""
    given = table.c.request.is_not(None)
    Index(
        f"{table.name}_by_request", table.c.request, unique=True, sqlite_where=given, postgresql_where=given
    )


_by_request(jobs)
Index(
    "jobs_not_succeeded",
    jobs.c.state,
    jobs.c.id,
    sqlite_where=jobs.c.state != int(JobState.SUCCEEDED),
    postgresql_where=jobs.c.state != int(JobState.SUCCEEDED),
)

job_parents = Table(
    "job_parents", metadata, _int("child_id", key=True), _int("parent_id", key=True), _int("batch_id")
)
Index("job_parents_by_batch", job_parents.c.batch_id)

attempts = Table(
    "attempts",
    metadata,
    _int("job_id", key=True),
    _int("attempt", key=True),
    _text("worker"),
    _int("state"),
    _text("cause"),
    _text("message"),
    _int("exit_code", null=True),
    _int("assigned_at_ms"),
    _int("started_at_ms", null=True),
    _int("ended_at_ms", null=True),
    _int("cpu_ms"),
    _int("memory_peak_mib"),
    _text("result", null=True),
    *map(columns.count_later, ("bytes_in", "bytes_out", "bytes_cached")),
)
Index(
    "attempts_live",
    attempts.c.worker,
    sqlite_where=attempts.c.state < int(JobState.SUCCEEDED),
    postgresql_where=attempts.c.state < int(JobState.SUCCEEDED),
)

batches = Table(
    "batches",
    metadata,
    _int("id", key=True),
    _text("user"),
    _text("project"),
    _text("name"),
    _text("state"),
    _text("attributes"),
    _int("cancel_after_failures", null=True),
    _text("counts"),
    _int("jobs"),
    _text("cost_pico"),
    _int("created_at_ms"),
    _int("committed_at_ms", null=True),
    _int("ended_at_ms", null=True),
    _text("request", null=True),
    _text("fingerprint", null=True),
    Column("hold", BigInteger, nullable=False, server_default=text("0")),
    _int("parallel_max", null=True),
    Column("accepts", BigInteger, nullable=False, server_default=text("0")),
    _owner("callback"),
)
_by_request(batches)
Index("batches_by_user", batches.c.user, batches.c.id)
Index(
    "batches_live",
    batches.c.id,
    sqlite_where=batches.c.ended_at_ms.is_(None),
    postgresql_where=batches.c.ended_at_ms.is_(None),
)

# Jobs that were added to a batch together, by a request that had a key.
bunches = Table(
    "bunches",
    metadata,
    _int("first_job", key=True),
    _int("batch_id"),
    _int("jobs"),
    _text("request", null=True),
    _text("fingerprint", null=True),
)
Index("bunches_by_batch", bunches.c.batch_id)
_by_request(bunches)

callbacks, schedules = callback_table.callbacks, schedule_table.schedules
pipelines = pipeline_table.pipelines

usage = Table(
    "usage",
    metadata,
    _text("user", key=True),
    _text("project", key=True),
    _text("pool", key=True),
    _int("attempts"),
    _text("cost_pico"),
)

workers = Table(
    "workers",
    metadata,
    _text("name", key=True),
    _text("pool"),
    _text("template"),
    _text("driver"),
    _text("state"),
    _int("cordoned"),
    _int("manual"),
    _text("spec"),
    _text("handle"),
    _int("plan"),
    _int("requested_at_ms"),
    _int("provisioned_at_ms", null=True),
    _int("ready_at_ms", null=True),
    _int("draining_at_ms", null=True),
    _int("last_seen_at_ms", null=True),
    _int("expires_at_ms", null=True),
    _int("extensions"),
    _int("ended_at_ms", null=True),
    _int("attempts_done"),
    _text("token_hash", null=True),
    _text("activation_hash", null=True),
    _text("activation_nonce", null=True),
    _text("reason_made"),
    _text("reason_removed"),
    *map(_owner, ("phase", "operation", "drain", "agent_version")),
    _int("warned_expiry_ms", null=True),
    _int("expired_ms", null=True),
    *map(_owner, ("health", "creation", "node")),
)
Index("workers_by_pool", workers.c.pool, workers.c.requested_at_ms)
Index("workers_by_time", workers.c.requested_at_ms)
Index(
    "workers_ended",
    workers.c.ended_at_ms,
    sqlite_where=workers.c.ended_at_ms.is_not(None),
    postgresql_where=workers.c.ended_at_ms.is_not(None),
)

pools = Table(
    "pools",
    metadata,
    _text("name", key=True),
    _text("spec"),
    _int("frozen"),
    _int("deleted"),
    _int("updated_at_ms"),
)

plans = Table(
    "plans",
    metadata,
    _int("number", key=True),
    _int("made_at_ms"),
    _int("empty"),
    _text("body"),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
)

observations = Table(
    "observations",
    metadata,
    _int("plan", key=True),
    _int("follows", null=True),
    _int("at_ms"),
    _int("size"),
    _text("body"),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
)

events = Table(
    "events",
    metadata,
    _int("sequence", key=True),
    _int("at_ms"),
    _text("kind"),
    _text("object"),
    _text("actor"),
    _text("text"),
    _text("data"),
    _owner("user"),
    _owner("project"),
    _text("request", null=True),
    _text("fingerprint", null=True),
)
Index("events_by_object", events.c.object, events.c.sequence)
Index("events_by_kind", events.c.kind, events.c.sequence)
_by_request(events)

log_chunks = Table(
    "log_chunks",
    metadata,
    _int("job_id", key=True),
    _int("attempt", key=True),
    _int("offset", key=True),
    _text("text"),
)

users = Table(
    "users",
    metadata,
    _text("name", key=True),
    _text("role"),
    _int("weight"),
    _int("created_at_ms"),
    _int("deleted_at_ms", null=True),
)

tokens = Table(
    "tokens",
    metadata,
    _text("hash", key=True),
    _text("user"),
    _text("role"),
    _text("note"),
    _int("created_at_ms"),
    _int("revoked_at_ms", null=True),
    _int("expires_at_ms", null=True),
    _int("last_used_at_ms", null=True),
    # Of tokens by which machines join a pool, and which do nothing else.
    _text("join_pool", null=True),
    _text("join_template", null=True),
    _int("join_uses_left", null=True),
)

sessions = Table(
    "sessions",
    metadata,
    _text("token_hash", key=True),
    _int("place", key=True),
    _text("hash"),
    _int("expires_at_ms"),
)

# Counters that people see, and where numbers go on: they outlive the rows that they count.
totals = Table("totals", metadata, _text("name", key=True), _text("value"))

# One row: who may write. Raised by each server that takes the store over, checked in every transaction of the writer.
leader = Table(
    "leader",
    metadata,
    _int("id", key=True),
    _int("epoch"),
    _text("holder"),
    _int("since_ms"),
)

lease, servers = server_tables.lease, server_tables.servers
meta = Table("meta", metadata, _text("key", key=True), _text("value"))

TABLE_OF: dict[type, Table] = {
    JobNew: jobs,
    JobParent: job_parents,
    JobClassRecord: job_classes,
    EarlierClassRecord: earlier_classes,
    AttemptRecord: attempts,
    BatchRecord: batches,
    BunchRecord: bunches,
    JobGroupRecord: job_groups,
    JobRangeRecord: job_ranges,
    CallbackRecord: callbacks,
    UsageRecord: usage,
    AlertRecord: alert_table.alerts,
    TotalRecord: totals,
    WorkerRecord: workers,
    PoolRecord: pools,
    PlanRecord: plans,
    ObservationRecord: observations,
    EventRecord: events,
    LogRecord: log_chunks,
    UserRecord: users,
    TokenRecord: tokens,
    SessionRecord: sessions,
    SecretRecord: secrets,
    ScheduleRecord: schedules,
    PipelineRecord: pipelines,
    **ledger_tables.TABLE_OF,
    RateRecord: metering_tables.rates,
    UsageEventRecord: metering_tables.usage_events,
    MeteredDayRecord: metering_tables.metered_days,
    BudgetRecord: budget_tables.budgets,
    BudgetSpanRecord: budget_tables.budget_spans,
    LeaseRecord: budget_tables.budget_leases,
    TransferRecord: budget_tables.budget_transfers,
    MetaRecord: meta,
}
