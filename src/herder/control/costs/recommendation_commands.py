"""Approving recommendations, and noting that they are carried out. Part of `Commands`. Herder changes no request of a job by itself: the command of a recommendation is run by a person."""

from herder.control.access.access_check import OF_KIND, check
from herder.control.costs.recommendation_states import (
    APPROVED,
    IMPLEMENTED,
    OPEN,
    PILOT,
    ROLLED_BACK,
    UNDONE,
    WAITING,
    WITHDRAWN,
    known,
    pilot_left_ms,
    recommendation_of,
)
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.values.money import dollars
from herder.model.values.phrases import counted
from herder.wire.api.resources import Result


class RecommendationCommands:
    _core: Core

    def approve_recommendation(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        """Raises NotKnown, and Conflict of one that does not wait."""
        check(who, Action.CHANGE, OF_KIND[Kind.COST])
        found = known(self._core, who, name)
        if found.state == APPROVED:
            return _result(found, f"Recommendation {name} was approved by {found.approved_by} already.")
        if found.state != OPEN:
            raise Conflict(f"Recommendation {name} is {found.state}, and cannot be approved.")
        done = found._replace(
            state=APPROVED, approved_by=who.user, approved_ms=now_ms, approved_pico=found.saving_pico
        )
        text = f"Recommendation {name} was approved by {who.user}. {_saving(found)}"
        return self._put(done, "recommendation.approved", text, who, changes, now_ms)

    def implement_recommendation(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        """Note that it is carried out from now on, or that its pilot begins; of one in a pilot, that the pilot is over. Raises NotKnown and Conflict."""
        check(who, Action.CHANGE, OF_KIND[Kind.FLEET])
        rules = self._core.settings.recommendations
        found = known(self._core, who, name)
        if found.state == IMPLEMENTED:
            return _result(found, f"Recommendation {name} was carried out by {found.begun_by} already.")
        if found.state == PILOT:
            left_ms = pilot_left_ms(found, rules.pilot_days, now_ms)
            if left_ms > 0:
                days = counted(-(-left_ms // DAY_MS), "day")
                raise Conflict(
                    f"The pilot of recommendation {name} has another {days} to run.",
                    hint=f"`herder cost results {name}` shows what it has saved so far.",
                )
            text = f"The pilot of recommendation {name} is over, and it is carried out."
            done = found._replace(state=IMPLEMENTED, closed_ms=now_ms)
            return self._put(done, "recommendation.implemented", text, who, changes, now_ms)
        self._check_waits(found)
        if rules.needs_pilot(recommendation_of(found)):
            done = found._replace(state=PILOT, begun_by=who.user, begun_ms=now_ms)
            days = counted(rules.pilot_days, "day")
            text = f"The pilot of recommendation {name} began, and runs for {days}."
        else:
            done = found._replace(state=IMPLEMENTED, begun_by=who.user, begun_ms=now_ms)
            text = f"Recommendation {name} is carried out."
        text = f"{text} {_saving(found)} Run: {found.how}"
        return self._put(done, "recommendation.implemented", text, who, changes, now_ms)

    def _check_waits(self, found: RecommendationRecord) -> None:
        """Before it is begun. Raises Conflict when it does not wait, or has no approval and needs one."""
        rules, name = self._core.settings.recommendations, found.id
        if found.state == WITHDRAWN:
            raise Conflict(f"Recommendation {name} is withdrawn: its facts have changed.")
        if found.state not in WAITING:
            raise Conflict(
                f"Recommendation {name} is {found.state.replace('_', ' ')}, and cannot be carried out again.",
                hint=f"`herder cost results {name}` shows what it has saved.",
            )
        if rules.needs_approval(recommendation_of(found)) and found.state != APPROVED:
            why = (
                f"it has changed since {found.approved_by} approved {dollars(int(found.approved_pico or 0))} a month, and is {dollars(int(found.saving_pico))} now"
                if found.approved_by
                else f"it changes more than {dollars(rules.approval_above_pico)} a month"
            )
            raise Conflict(
                f"Recommendation {name} needs an approval: {why}.",
                hint=f"An administrator approves it with `herder cost approve {name}`.",
            )

    def roll_back_recommendation(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        """Note that what was begun has been undone: of a pilot, or of what is carried out. Raises NotKnown, and Conflict of what was never begun."""
        check(who, Action.CHANGE, OF_KIND[Kind.FLEET])
        found = known(self._core, who, name)
        if found.state in UNDONE:
            return _result(found, f"Recommendation {name} is {found.state.replace('_', ' ')} already.")
        if found.state not in (PILOT, IMPLEMENTED):
            raise Conflict(
                f"Recommendation {name} is {found.state}: it was not begun, and nothing can be rolled back."
            )
        what = "The pilot of recommendation" if found.state == PILOT else "Recommendation"
        text = f"{what} {name} was rolled back by {who.user}. Use the requests of before again."
        done = found._replace(state=ROLLED_BACK, closed_ms=now_ms)
        return self._put(done, "recommendation.rolled_back", text, who, changes, now_ms)

    def _put(
        self,
        record: RecommendationRecord,
        kind: str,
        text: str,
        who: Principal,
        changes: Changes,
        now_ms: int,
    ) -> Result:
        core = self._core
        core.ledger.recommendations[record.id] = record
        changes.put(record)
        record_event(
            core.state, changes, now_ms, kind, f"recommendation/{record.id}", text, actor=who.actor, owner=record.user,
            project=record.project,
        )  # fmt: skip
        return _result(record, text)


def _result(record: RecommendationRecord, text: str) -> Result:
    return Result(object=f"recommendation/{record.id}", text=text)


def _saving(record: RecommendationRecord) -> str:
    pico = int(record.saving_pico)
    if not pico:
        return "Its cost is expected to stay the same."
    return (
        f"It is expected to {f'save {dollars(pico)}' if pico > 0 else f'cost {dollars(-pico)} more'} a month."
    )
