"""Failures of a trigger or a planning step: the plan reports them, and the rest of the plan is made.

A trigger makes no proposal then; a pool of which a step in `STEPS` failed is left as it is. Used by the planner around each trigger and
each step that looks at one pool; also by scale-down, which asks triggers whether a pool
could do with less. What a failed trigger would have said is unknown, so its pool gives up no idle worker meanwhile. It must never
take a failure for the answer "nothing is wanted", nor keep it from people: the reason says what failed, where, and what to do.
"""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar

from herder.model.ids import PoolName
from herder.model.planning.plan import Reason, ReasonKind

_T = TypeVar("_T")

#: Of an error's text that a plan repeats.
ERROR_TEXT_MAX = 300


#: Steps that every pool's planning needs: without one of them nothing of the pool is changed.
STEPS = frozenset({"snapshot", "removals", "limits"})
#: Steps that a plan can do without.
REFINEMENTS = frozenset({"combine", "zones", "pressure", "replacement", "report", "cheaper"})


class Failures:
    """What failed while one plan was made, by pool."""

    def __init__(self) -> None:
        self._by_pool: dict[PoolName, list[Reason]] = {}
        self.unplanned: set[PoolName] = set()
        """Pools of which a step failed."""

    def attempt(
        self, pools: Iterable[PoolName], trigger: str, call: Callable[[], _T], otherwise: Callable[[], _T]
    ) -> _T:
        """What `call` answers; when it fails, `otherwise`, and `pools` are told."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the plan says so
            for pool in pools:
                self.add(pool, (trigger_failed(pool, trigger, error),))
                if trigger in STEPS:
                    self.unplanned.add(pool)
            return otherwise()

    def add(self, pool: PoolName, reasons: Iterable[Reason]) -> None:
        self._by_pool.setdefault(pool, []).extend(
            reason for reason in reasons if reason.kind is ReasonKind.TRIGGER_FAILED
        )

    def of(self, pool: PoolName) -> tuple[Reason, ...]:
        return tuple(self._by_pool.get(pool, ()))

    def all(self) -> tuple[tuple[PoolName, Reason], ...]:
        return tuple((pool, reason) for pool, reasons in self._by_pool.items() for reason in reasons)


def trigger_failed(pool: PoolName, trigger: str, error: Exception) -> Reason:
    told = f"{type(error).__name__}: {error}"[:ERROR_TEXT_MAX].removesuffix(": ")
    text = (
        f"Trigger {trigger} of pool {pool} failed ({told}). It proposes nothing in this plan, and the pool keeps its idle workers. "
        "Report this error, or remove the settings of this trigger from the pool."
    )
    if trigger in STEPS:
        text = (
            f"Planning step {trigger} of pool {pool} failed ({told}). The pool is left unchanged, and other pools are planned. "
            "Report this error."
        )
    elif trigger in REFINEMENTS:
        text = f"Planning step {trigger} of pool {pool} failed ({told}). The plan is made without it. Report this error."
    evidence = (
        ("trigger", trigger),
        ("error", told),
        ("at", _place(error.__traceback__)),
        ("flips", "an answer without an error"),
    )
    return Reason(kind=ReasonKind.TRIGGER_FAILED, text=text, evidence=evidence)


def _place(traceback: TracebackType | None) -> str:
    """The innermost line of it."""
    if traceback is None:
        return "unknown"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}:{traceback.tb_lineno}"
