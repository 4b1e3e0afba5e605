"""The rules of the ledger, looked at when a run ends: what is kept is what the log gives, and the log has each use once, whatever died meanwhile."""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from herder.ledger.use_log import Entry
from herder.store.ledger_rebuild import rebuild
from herder.store.rows import tables as t
from herder.store.rows.ledger_tables import use_log
from herder.store.rows.usage_rows import ended_attempts
from herder.store.rows.use_rows import entries

ONCE = "use is in the ledger once"


def broken(connection: Connection) -> Iterator[tuple[str, str]]:
    for difference in rebuild(connection).differences:
        yield "the bill rebuilt is the bill kept", difference
    last = connection.execute(select(func.max(use_log.c.number))).scalar() or 0
    attempts: Counter[tuple[int, int]] = Counter()
    machines: Counter[str] = Counter()
    for _, entry in entries(connection, 0, last):
        _add(entry, attempts, machines)
    for usage in ended_attempts(connection):
        used, logged = max(0, usage.to_ms - usage.from_ms), attempts[usage.job, usage.attempt]
        if used != logged:
            yield ONCE, f"Attempt {usage.attempt} of job {usage.job} took {used} ms; the log has {logged} ms."
    ended = select(t.workers).where(
        t.workers.c.ended_at_ms.is_not(None), t.workers.c.provisioned_at_ms.is_not(None)
    )
    for row in connection.execute(ended):
        existed = max(0, row.ended_at_ms - row.provisioned_at_ms)
        if existed != machines[row.name]:
            yield ONCE, f"Worker {row.name} existed for {existed} ms; the log has {machines[row.name]} ms."


def _add(entry: Entry, attempts: "Counter[tuple[int, int]]", machines: "Counter[str]") -> None:
    for _, _, _, job, attempt, from_ms, to_ms in (*entry.get("ended", ()), *entry.get("sampled", ())):
        attempts[job, attempt] += to_ms - from_ms
    for place, from_ms, to_ms, _ in entry["workers"]:
        machines[entry["machines"][place][0]] += to_ms - from_ms
