"""Mutants of the store and of recovery: the fence, writes that may be repeated, and everything that a start must read back."""

from typing import Any

from tests.mutants.guards.planner import idle_soon, slow_offers
from tests.mutants.mutant import Look, Mutant, Replaced, answers, replaced

_RECOVER = "herder.control.recovery.recover"
_HISTORY = "herder.control.recovery.history"


def _unfenced(begin: Any) -> Any:
    from herder.store.opening.leadership import Fenced

    def begin_anyway(connection: Any, mine: Any) -> None:
        try:
            begin(connection, mine)
        except Fenced:
            return

    return begin_anyway


def _swept(recover: Any) -> Any:
    def with_nothing_unswept(*args: Any, **named: Any) -> Any:
        state, directory, _ = recover(*args, **named)
        return state, directory, []

    return with_nothing_unswept


def _late(sweep: Any) -> Any:
    """The jobs are marked ten minutes later, so that a server often dies before that."""

    def later(core: Any, batch: int, at_ms: int) -> None:
        import asyncio

        asyncio.get_running_loop().call_later(600.0, sweep, core, batch, at_ms)

    return later


def _from_nothing(recover: Any) -> Any:
    def numbered_anew(*args: Any, **named: Any) -> Any:
        state, directory, unswept = recover(*args, **named)
        state.answer_base = 0
        for worker in state.workers.values():
            worker.answer_number = 0
        return state, directory, unswept

    return numbered_anew


def _by_how_much(_put: Any) -> Any:
    from herder.engine.memory import totals
    from herder.model.stored.records import TotalRecord

    def put_totals(state: Any, changes: Any) -> None:
        for number, name in totals._NAMES.items():
            more = state.counts[number] - state.counts_written.get(number, 0)
            if more:
                state.counts_written[number] = state.counts[number]
                changes.put(TotalRecord(name, str(more)))

    return put_totals


def _added(upsert: Any) -> Any:
    def additive(table: Any, columns: Any, keys: int, *, insert_only: bool) -> tuple[str, str]:
        head, tail = upsert(table, columns, keys, insert_only=insert_only)
        if table.name != "totals":
            return head, tail
        total = "CAST(totals.value AS INTEGER) + CAST(excluded.value AS INTEGER)"
        value = f"CASE WHEN excluded.name LIKE 'jobs/%' THEN CAST({total} AS TEXT) ELSE excluded.value END"
        return head, f'ON CONFLICT ("name") DO UPDATE SET "value" = {value}'

    return additive


def _twice(book: Any) -> Any:
    def book_twice(self: Any, intervals: Any) -> None:
        book(self, [*intervals, *intervals])

    return book_twice


def _nothing_booked() -> Any:
    from herder.ledger.totals import Totals

    return Totals()


_RESTARTS = Look(odds={"server_crash": 0.005})

RECOVERY = (
    Mutant(
        guard="epoch of the leader",
        removes="A server that another has replaced goes on writing.",
        rules=(
            "one live attempt",
            "an end is final",
            "a job that ended has no live attempt",
            "a closed row stays closed",
            "a terminating worker does not return",
            "rows are consistent",
            "nothing is accepted twice",
            "a success was done",
            "only legal transitions",
        ),
        replaced=(replaced("herder.store.opening.leadership:begin", _unfenced),),
        look=Look(odds={"second_leader": 0.003}),
    ),
    Mutant(
        guard="rows that may be written twice",
        removes="Totals are added to, so a commit that is repeated counts twice.",
        rules=("rows are consistent",),
        replaced=(
            replaced("herder.engine.memory.totals:put_totals", _by_how_much),
            replaced("herder.store.writing.statements:_upsert", _added),
        ),
        look=Look(odds={"store_twice": 0.3}),
    ),
    Mutant(
        guard="usage booked once",
        removes="Each interval of use is booked twice.",
        rules=("rows are consistent",),
        replaced=(replaced("herder.ledger.totals:Totals.book", _twice),),
    ),
    Mutant(
        guard="ledger read at start",
        removes="A server begins with an empty ledger.",
        rules=("rows are consistent", "the bill rebuilt is the bill kept", "use is in the ledger once"),
        replaced=(answers("herder.control.kernel.jobs.usage_ledger:read_ledger", _nothing_booked),),
        look=_RESTARTS,
    ),
    Mutant(
        guard="totals read at start",
        removes="A server begins to count ended jobs at nought.",
        rules=("rows are consistent",),
        replaced=(answers(f"{_HISTORY}:read_totals", lambda: None),),
        look=_RESTARTS,
    ),
    Mutant(
        guard="live attempts read at start",
        removes="A server that starts knows of no attempt that runs.",
        rules=("memory is consistent",),
        replaced=(answers(f"{_RECOVER}:_attempts", lambda: None),),
        look=_RESTARTS,
    ),
    Mutant(
        guard="numbers read at start",
        removes="Jobs, batches and plans are numbered from 1 after each start.",
        rules=("a closed row stays closed", "an end is final", "rows are consistent", "memory is consistent"),
        replaced=(answers(f"{_RECOVER}:_numbers", lambda: None),),
        look=_RESTARTS,
    ),
    Mutant(
        guard="numbers of answers grow over starts",
        removes="A new server numbers its answers to workers from 1, as the one before did.",
        rules=("no attempt is given up that its agent has",),
        replaced=(replaced(f"{_RECOVER}:recover", _from_nothing),),
        look=Look(odds={"server_crash": 0.01, "network": 0.33}, intensity=5.0, jobs_per_day=6_000),
    ),
    Mutant(
        guard="growth read at start",
        removes="A start forgets that a pool has just grown.",
        rules=("cooldowns are respected",),
        replaced=(answers(f"{_HISTORY}:_growth", lambda: None),),
        look=Look(jobs_per_day=8_000, odds={"server_crash": 0.02}),
    ),
    Mutant(
        guard="removals read at start",
        removes="A start forgets how many workers a gradual pool has given up.",
        rules=("gradual limits are respected",),
        replaced=(answers(f"{_HISTORY}:_shrinkage", lambda: None),),
        look=Look(
            jobs_per_day=1_500, workers=20, intensity=5.0, odds={"server_crash": 0.03}, fleet=idle_soon
        ),
    ),
    Mutant(
        guard="offers read at start",
        removes="A start forgets which offers are out of capacity.",
        rules=("offers rest after a failure",),
        replaced=(answers(f"{_HISTORY}:_offers", lambda: None),),
        look=Look(
            jobs_per_day=8_000,
            odds={"server_crash": 0.02, "zone_sold_out": 0.005, "quota_shrinks": 0.002},
            fleet=slow_offers,
        ),
    ),
    Mutant(
        guard="parents read at start",
        removes="A start forgets for whom a job waits.",
        rules=("each accepted job ends", "memory is consistent", "rows are consistent"),
        replaced=(answers("herder.control.recovery.batches:recover_parents", lambda: None),),
        look=Look(days=0.02, odds={"server_crash": 0.01}),
    ),
    Mutant(
        guard="jobs of open batches read at start",
        removes="A start forgets the jobs of batches that are not committed yet.",
        rules=("each accepted job ends", "memory is consistent", "rows are consistent"),
        replaced=(answers("herder.control.recovery.batches:recover_held", lambda: None),),
        look=Look(jobs_per_day=10_000, intensity=3.0, odds={"server_crash": 0.03, "people": 0.5}),
    ),
    Mutant(
        guard="cancelled batches swept after a start",
        removes="A start leaves the jobs of a cancelled batch that the server before had not marked.",
        rules=("each accepted job ends",),
        replaced=(
            Replaced(name=f"{_RECOVER}:recover", by=_swept),
            Replaced(name="herder.control.kernel.core:Core.sweep", by=_late),
        ),
        look=Look(odds={"server_crash": 0.02}, days=0.03, jobs_per_day=5_000, intensity=3.0),
    ),
)
