"""The settings of a pool whose workers are nodes of a cluster: a part of `POOL_FIELDS`. Rules between them are in `contradictions`."""

from herder.settings.sections.fields import MAYBE_COUNT, Field, duration, limit, plain
from herder.settings.sections.pool import schedules
from herder.settings.syntax import validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Value

#: Pods of one node that are evicted at a time.
EVICTIONS_MAX = 100


def _read_name(found: Reading, value: Value) -> str:
    return validation.name(found, value) if validation.text(found, value) else ""


def _read_evictions(found: Reading, value: Value) -> int:
    number = validation.positive(found, value)
    if number > EVICTIONS_MAX:
        found.wrong(
            value, f"evictions_at_once {number:,} is above {EVICTIONS_MAX}.", f"Write 1 to {EVICTIONS_MAX}."
        )
    return min(number, EVICTIONS_MAX)


def _read_pools(found: Reading, value: Value) -> tuple[str, ...]:
    names = (validation.name(found, each) for each in validation.listing(found, value))
    return tuple(dict.fromkeys(name for name in names if name))


NODE_FIELDS: tuple[Field, ...] = (
    plain(
        "cluster",
        _read_name,
        {"type": "string"},
        "The cluster of `clusters:` that the workers are nodes of. Required for memberships of clusters, such as kubernetes. It cannot change "
        "while the pool has workers.",
    ),
    plain(
        "bootstrap",
        _read_name,
        {"type": "string"},
        "The entry of `bootstraps:` that makes the machines join the cluster. Without it they must join by themselves.",
    ),
    plain(
        "queue_threshold",
        schedules.read_optional_count,
        MAYBE_COUNT,
        "Workers beyond min_workers are created for queued jobs only when more than this number of jobs that fit the pool wait, or when one of them "
        "fits none of its workers. null: for each job that waits.",
        "scale_up.",
    ),
    plain(
        "pending_pods",
        schedules.read_optional_count,
        MAYBE_COUNT,
        "The number of pending pods of the pool's cluster that may use the pool, and have waited for pending_pods_for, from which on workers are "
        "created for them. null: none are.",
        "scale_up.",
    ),
    duration(
        "pending_pods_for",
        "How long that many pods must have waited before workers are created for them.",
        "scale_up.pending_pods_for_s",
    ),
    Field(
        key="grows_after",
        attribute="scale_up.grows_after",
        read=_read_pools,
        write=list,
        schema={"type": "array", "items": {"type": "string"}},
        doc="Pools whose workers count in the cpu_pressure and memory_pressure of this pool, and that grow first: this pool grows for pressure when "
        "all of them are at their maximum or cannot grow. Give them the same pressure settings.",
    ),
    limit(
        "eviction_grace",
        "How long an evicted pod may take to end. null: the terminationGracePeriodSeconds of the pod.",
        "lifetime.eviction_grace_s",
    ),
    plain(
        "evictions_at_once",
        _read_evictions,
        {"type": "integer", "minimum": 1, "maximum": EVICTIONS_MAX},
        "The largest number of pods of one node that are evicted at a time.",
        "lifetime.",
    ),
)
