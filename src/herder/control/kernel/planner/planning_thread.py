"""Runs the planner: small plans at once, large ones in a thread, so that the event loop is not blocked.

Used by the scale loop, and by whoever asks what the planner would do (`plan`, `why`, `explain`). The planner is pure and what it
is given is frozen, so a thread changes nothing but where it runs; a plan of the loop has to be looked at again before it is
applied (`plans.still_right`). Questions that come together share one answer. It must never hand live state to a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from herder.control.kernel.planner.trigger_faults import TriggerFaults
from herder.decide.eligibility.first_pools import FirstPools
from herder.decide.plan.planner import PlanSteps, decide, plan_steps
from herder.decide.plan.report import unseen_sections
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Plan

_T = TypeVar("_T")

#: Up to so many classes that wait, and workers, planning takes less than 5 ms: a thread would cost more than it saves.
FEW_CLASSES = 40
FEW_WORKERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """What the planner makes of one moment. `steps` None: something was never seen."""

    observed: Observed
    now_ms: int
    plan: Plan
    steps: PlanSteps | None


class Planning:
    def __init__(self) -> None:
        self._loop_thread = ThreadPoolExecutor(1, "planner")
        self._question_thread = ThreadPoolExecutor(1, "questions")
        self._asking = asyncio.Lock()
        self._next: asyncio.Task[PlanAnswer] | None = None
        self.turn = asyncio.Lock()
        """Held by whoever works out an answer on the event loop, so that many such do not follow one another at once."""
        self.faults = TriggerFaults()
        self.first_pools = FirstPools()
        self.last: Plan | None = None
        """Of the loop, also where it said nothing new and was not recorded."""

    async def run(self, observed: Observed, work: Callable[[], _T]) -> _T:
        """For the loop: `work` uses `observed` and nothing that lives."""
        if _small(observed):
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._loop_thread, work)

    async def ask(self, look: Callable[[], tuple[Observed, int]]) -> PlanAnswer:
        """What would be done now. `look` is called after this call began; those who ask while one answer is being worked out wait
        for the next and share it."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._answer(look), name="question")
        return await asyncio.shield(self._next)

    async def _answer(self, look: Callable[[], tuple[Observed, int]]) -> PlanAnswer:
        async with self._asking:
            self._next = None
            observed, now = look()
            if _small(observed):
                return _work_out(observed, now)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._question_thread, _work_out, observed, now)

    def close(self) -> None:
        self._loop_thread.shutdown(wait=False, cancel_futures=True)
        self._question_thread.shutdown(wait=False, cancel_futures=True)


def _work_out(observed: Observed, now_ms: int) -> PlanAnswer:
    steps = None if unseen_sections(observed) else plan_steps(observed, now_ms)
    plan = decide(observed, now_ms, steps)
    return PlanAnswer(observed=observed, now_ms=now_ms, plan=plan, steps=steps)


def _small(observed: Observed) -> bool:
    return len(observed.demand) <= FEW_CLASSES and len(observed.workers) <= FEW_WORKERS
