"""Replaces workers that are not as the pool wants them: drifted ones, and those older than `ttl_soft`. One after another.

Called by the planner before demand is packed. It acts only in a maintenance window (a pool without windows: always), never beyond the
disruption budget, and looks for a successor first: an idle worker that is as the pool wants it, one that is starting, or else one more is
asked for. Only where the pool is at its maximum the old worker goes first. It must never take a pool below its minimum while there is room
for a successor, and never drain what could not be created again now.
"""

from collections.abc import Set
from dataclasses import dataclass, field

from herder.decide.scaling.combine import over_offers
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.offers.backoff import cheapest_first
from herder.decide.scaling.proposals import Proposal, WorkerRequest
from herder.decide.scaling.scale_down.budgets import in_force, used_up
from herder.decide.scaling.scale_down.drift import Agents, Drift, only_agent
from herder.decide.scaling.scale_down.windows import closed
from herder.decide.scaling.snapshot import PoolView, age
from herder.model.fleet.driver import JOINED
from herder.model.fleet.lifetime import soft_end_ms
from herder.model.fleet.offer import OfferName
from herder.model.fleet.upkeep import BudgetInForce, Disruption
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import DrainWorker, Reason, ReasonKind
from herder.model.values.phrases import agree, counted, listed, sentences
from herder.model.values.resources import ZERO, Resources
from herder.model.values.times import span

#: Old workers of a pool that one plan looks at, those first that lose least.
LOOKED_AT_MOST = 200
_KINDS = {Disruption.DRIFTED: ReasonKind.DRIFTED, Disruption.SOFT_TTL: ReasonKind.SOFT_EXPIRED}
_AT_MAXIMUM = (ReasonKind.AT_MAXIMUM, ReasonKind.AT_LIVE_MAXIMUM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A worker that is to be replaced, and why: `why` is a clause."""

    worker: ObservedWorker
    cause: Disruption
    why: str
    evidence: tuple[tuple[str, int | float | str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacements:
    drains: tuple[DrainWorker, ...] = ()
    successors: tuple[tuple[str, Reason], ...] = ()
    """(template, why) of each worker that is to be created first."""
    waiting: tuple[tuple[WorkerName, Reason], ...] = ()
    """Why a worker that is to be replaced is still there."""

    @property
    def held_back(self) -> tuple[Reason, ...]:
        """For the report: what keeps old workers, each kind of it once, with how many it keeps."""
        by_kind: dict[ReasonKind, list[Reason]] = {}
        for _, reason in self.waiting:
            by_kind.setdefault(reason.kind, []).append(reason)
        return tuple(_together(reasons) for reasons in by_kind.values())


def _together(reasons: list[Reason]) -> Reason:
    first, more = reasons[0], len(reasons) - 1
    if not more:
        return first
    does = ("stays", "stay") if first.kind is ReasonKind.KEPT else ("waits", "wait")
    text = sentences(first.text, f"{counted(more, 'more worker')} {agree(more, *does)} as well")
    return Reason(kind=first.kind, text=text, evidence=(("workers", len(reasons)), *first.evidence))


def ask(
    view: PoolView, agents: Agents, growth_limit: GrowthLimit, leaving: Set[WorkerName], now_ms: int
) -> Replacements:
    """`leaving`: workers that this plan drains already, or that take no more work."""
    upkeep = view.spec.upkeep
    if view.spec.frozen or not (upkeep.replace_drifted or view.spec.lifetime.ttl_soft_s is not None):
        return Replacements()
    drift = Drift(view, agents)
    old = _old_workers(view, drift, leaving, now_ms)
    if not old:
        return Replacements()
    move = _Move(view=view, growth_limit=growth_limit, leaving=leaving, now_ms=now_ms)
    move.count({each.worker.name for each in old}, drift)
    ordered = sorted(old, key=_soonest)
    for each in ordered[:LOOKED_AT_MOST]:
        kept = _kept(each, drift)
        if kept is not None:
            move.waiting.append((each.worker.name, kept))
        else:
            move.look(each)
    later = [(each.worker.name, _later(view)) for each in ordered[LOOKED_AT_MOST:]]
    return Replacements(
        drains=tuple(move.drains), successors=tuple(move.successors), waiting=(*move.waiting, *later)
    )


def _later(view: PoolView) -> Reason:
    text = f"Pool {view.spec.name} replaces its old workers one after another, and {LOOKED_AT_MOST} others come first."
    evidence = (("before", LOOKED_AT_MOST), ("flips", "the end of those replacements"))
    return Reason(kind=ReasonKind.AWAITS_SUCCESSOR, text=text, evidence=evidence)


def proposals(view: PoolView, growth_limit: GrowthLimit, answer: Replacements) -> list[Proposal]:
    """Each of the template of the worker that it follows, where that is still sold, else of the cheapest."""
    found: list[Proposal] = []
    used: dict[OfferName, int] = {}
    for template, reason in answer.successors[: growth_limit.workers]:
        offers = cheapest_first(view, growth_limit.offers, used)
        alike = [offer for offer in offers if offer.offer.template == template]
        request = WorkerRequest(pool=view.spec.name, count=1, reason=reason)
        found += over_offers(request, 1, alike or offers, used)
    return found


def _old_workers(view: PoolView, drift: Drift, leaving: Set[WorkerName], now_ms: int) -> list[Old]:
    found = []
    for worker in view.staying:
        if worker.state is not WorkerState.READY or worker.name in leaving:
            continue
        differs = drift.differences(worker) if view.spec.upkeep.replace_drifted else ()
        soft_ms = soft_end_ms(
            worker.name,
            worker.ready_at_ms,
            view.spec.lifetime.ttl_soft_s,
            view.spec.lifetime.ttl_jitter,
            extended=worker.extended,
        )
        if differs:
            why = f"it differs from what pool {view.spec.name} creates now: {listed(differs)}"
            cause = Disruption.DRIFTED
            evidence: tuple[tuple[str, int | float | str], ...] = (
                ("differences", len(differs)),
                ("only_agent", int(only_agent(differs))),
            )
        elif soft_ms is not None and soft_ms <= now_ms:
            why = f"it has been past its ttl_soft for {span(now_ms - soft_ms)}"
            cause, evidence = Disruption.SOFT_TTL, (("soft_expires_at_ms", soft_ms),)
        else:
            continue
        found.append(Old(worker=worker, cause=cause, why=why, evidence=evidence))
    return found


def _soonest(old: Old) -> tuple[object, ...]:
    """Idle ones first, then those with few attempts; of equals the oldest."""
    return (old.worker.live_attempts, *age(old.worker))


def _kept(old: Old, drift: Drift) -> Reason | None:
    """Why nobody but a person replaces it."""
    worker, name = old.worker, old.worker.name
    if worker.spec.driver == JOINED:
        why = f"{name} was added by hand, so Herder does not replace it. Stop its agent and add the machine again"
    elif worker.manual:
        why = f"{name} was requested by hand, so it stays until it expires or is removed"
    elif worker.cordoned:
        why = f"{name} is cordoned, so it stays until it is uncordoned or removed"
    elif dict(old.evidence).get("only_agent") and (made := drift.made_in_vain()) is not None:
        why = (
            f"{name} is not replaced, because {made.name} was created by this server and has version {made.agent_version} "
            "of the agent, too. Update the agent in the image of the machines"
        )
    else:
        return None
    text = sentences(f"{name} would be replaced, because {old.why}", why)
    return Reason(kind=ReasonKind.KEPT, text=text, evidence=old.evidence)


@dataclass(slots=True, kw_only=True)
class _Move:
    """What a plan has decided of one pool so far."""

    view: PoolView
    growth_limit: GrowthLimit
    leaving: Set[WorkerName]
    now_ms: int
    drains: list[DrainWorker] = field(default_factory=list)
    successors: list[tuple[str, Reason]] = field(default_factory=list)
    waiting: list[tuple[WorkerName, Reason]] = field(default_factory=list)
    ready: int = 0
    """Workers that can work; without those that are drained."""
    room: Resources = ZERO
    """What is free on workers that are as the pool wants them."""
    starting: list[WorkerName] = field(default_factory=list)
    """Successors to come, which no other old worker counts on."""
    gone: tuple[WorkerName, ...] = ()
    """Everything on its way out, for whatever reason: what is gone and not replaced yet counts, too."""
    budgets: dict[Disruption, BudgetInForce | None] = field(default_factory=dict)
    reserved: list[WorkerName] = field(default_factory=list)
    """Old workers whose successor is awaited: they use the budget already, so that one comes after another."""

    def count(self, old: Set[WorkerName], drift: Drift) -> None:
        self.gone = tuple(
            worker.name for worker in self.view.workers if worker.state.leaving or worker.name in self.leaving
        )
        self.budgets = {cause: in_force(self.view, cause, self.now_ms) for cause in _KINDS}
        for worker in self.view.staying:
            if worker.name in self.leaving:
                continue
            if worker.state is WorkerState.READY:
                self.ready += 1
                if worker.name not in old and worker.usable:
                    self.room = self.room.plus(worker.free)
            elif worker.state.in_flight and not drift.differences(worker):
                self.starting.append(worker.name)

    def look(self, old: Old) -> None:
        """Drain it, ask for its successor, or say what it waits for."""
        name = old.worker.name
        held = self._held(old)
        if held is not None:
            self.waiting.append((name, held))
            return
        uses = old.worker.spec.allocatable.minus(old.worker.free) if old.worker.live_attempts else ZERO
        enough = self.ready > self.view.spec.size.min_workers
        if enough and (not any(uses) or uses.fits_in(self.room)):
            self.room = self.room.minus(uses) if any(uses) else self.room
            self._drain(old)
        elif self.starting:
            self._await(old, f"Its successor {self.starting.pop(0)} is starting")
        elif self.growth_limit.workers > len(self.successors):
            self._create(old)
        elif self.growth_limit.binding.kind in _AT_MAXIMUM and not self.successors:
            self._drain(old)  # there is no room for its successor beside it
        else:
            self._await(old, sentences("It has no successor yet", self.growth_limit.binding.text))

    def _held(self, old: Old) -> Reason | None:
        """The window, or the budget."""
        shut = closed(self.view, f"{old.worker.name} waits to be replaced, because {old.why}", self.now_ms)
        if shut is not None:
            return shut
        budget = self.budgets[old.cause]
        users = self._users()
        if budget is None or budget.most > len(users):
            return None
        return used_up(self.view, budget, users)

    def _users(self) -> tuple[WorkerName, ...]:
        return (*self.gone, *(drain.worker for drain in self.drains), *self.reserved)

    def _drain(self, old: Old) -> None:
        self.ready -= 1
        text = f"{old.worker.name} is replaced, because {old.why}."
        reason = Reason(kind=_KINDS[old.cause], text=text, evidence=self._evidence(old))
        self.drains.append(DrainWorker(worker=old.worker.name, pool=self.view.spec.name, reason=reason))

    def _create(self, old: Old) -> None:
        text = f"A successor of {old.worker.name} is created, because {old.why}."
        reason = Reason(kind=_KINDS[old.cause], text=text, evidence=self._evidence(old))
        self.reserved.append(old.worker.name)
        self.successors.append((old.worker.spec.template, reason))

    def _await(self, old: Old, what: str) -> None:
        text = sentences(f"{old.worker.name} waits to be replaced, because {old.why}", what)
        evidence = (*old.evidence, ("starting", len(self.starting)), ("flips", "a successor that is ready"))
        reason = Reason(kind=ReasonKind.AWAITS_SUCCESSOR, text=text, evidence=evidence)
        self.reserved.append(old.worker.name)
        self.waiting.append((old.worker.name, reason))

    def _evidence(self, old: Old) -> tuple[tuple[str, int | float | str], ...]:
        budget = self.budgets[old.cause]
        most: int | str = "unlimited" if budget is None else budget.most
        ends = [each.end_ms for each in self.view.openings if self._maintains(each.window, each.start_ms)]
        window = (("window_until_ms", max(ends)),) if ends else ()
        flips = "replace_drifted: false" if old.cause is Disruption.DRIFTED else "ttl_soft: null"
        return (*old.evidence, ("disruption_budget", most), *window, ("flips", flips))

    def _maintains(self, window: object, start_ms: int) -> bool:
        return window in self.view.spec.upkeep.maintenance_windows and start_ms <= self.now_ms
