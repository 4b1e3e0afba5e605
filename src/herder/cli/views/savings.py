"""Tables and texts of recommendations, their results, returns on investment, and changes of cost. Used by `herder cost`."""

from collections.abc import Iterator

from herder.cli.output.columns import field, made, since, words
from herder.cli.output.printer import Details
from herder.cli.output.rows import View
from herder.cli.views.costs import amount
from herder.wire.api.cost_changes import ChangedGroup, ChangeView, CostChange
from herder.wire.api.documented_costs import Roi
from herder.wire.api.recommendations import RecommendationResults, RecommendationView

#: Groups of an explanation that are shown, of those that explain it.
SHOWN = 5
#: Who has caused a change is said first.
WHO = ("project", "user")


def _needs(each: RecommendationView) -> str:
    if each.state not in ("open", "approved"):
        return ""
    wanted = [("approval", each.needs_approval and each.state == "open"), ("pilot", each.needs_pilot)]
    return ", ".join(name for name, needed in wanted if needed)


def _confidence(share: float) -> str:
    return f"{100 * share:.0f}%"


RECOMMENDATIONS = View(
    noun="recommendation",
    name=lambda each: str(each.id),
    columns=(
        field("ID", "id"),
        field("PRIORITY", "priority", drop=2),
        words("SAVING", "saving_usd", amount, right=True),
        field("ACTION", "action"),
        field("TARGET", "target", long=True),
        made("NEEDS", _needs, key="needs", drop=1),
        field("STATE", "state"),
        field("RULE", "rule", wide=True),
        words("MONTH", "monthly_usd", amount, right=True, wide=True),
        words("CONFIDENCE", "confidence", _confidence, right=True, wide=True),
        since("AGE", "found_at", wide=True),
        field("COMMAND", "command", wide=True),
        field("FACTS", "facts", wide=True),
    ),
    empty="No recommendations. They need 14 days of measured work. See what is spent with: herder cost breakdown",
)


def details(each: RecommendationView) -> Details:
    needs = [
        *(["approval"] if each.needs_approval else []),
        *(["pilot"] if each.needs_pilot else []),
    ]
    approved = _approval(each)
    begun = f", begun by {each.begun_by} at {each.begun_at}" if each.begun_at else ""
    return Details(
        rows=[
            ("Recommendation", each.id),
            ("Rule", each.rule),
            ("Target", each.target),
            ("Facts", each.facts),
            ("Action", each.action),
            ("Saving", f"{amount(each.saving_usd)} a month of {amount(each.monthly_usd)}"),
            ("Confidence", f"{_confidence(each.confidence)} ({each.supporting:,} of {each.observed:,} observations)"),
            ("Risk", each.risk),
            ("Needs", ", ".join(needs) or "nothing"),
            ("State", f"{each.state.replace('_', ' ')}{approved}{begun}"),
            ("Command", each.command),
        ],
        tables=[],
    )  # fmt: skip


def _approval(each: RecommendationView) -> str:
    if not each.approved_by:
        return ""
    said = f"{each.approved_by} approved {amount(each.approved_usd or '0')} a month"
    if each.state == "open":
        return f", has changed since {said}: it needs an approval again"
    return f", {said}"


def result_lines(found: RecommendationResults) -> Iterator[str]:
    yield f"Recommendation {found.id} ({found.state.replace('_', ' ')})"
    yield f"  projected  {amount(found.projected_usd)} a month"
    realised = "unknown" if found.realised_usd is None else f"{amount(found.realised_usd)} a month"
    part = "" if found.realised_percent is None else f", {found.realised_percent} % of it"
    yield f"  realised   {realised}{part}"
    if found.days:
        before, after = (
            _percent(each) for each in (found.quality_before_percent, found.quality_after_percent)
        )
        yield f"  succeeded  {after} of attempts, {before} before"
    if found.verdict != "none":
        yield f"  pilot      {found.verdict}"
    yield f"  {found.text}"


def roi_lines(found: Roi) -> Iterator[str]:
    yield f"{found.first_day} to {found.last_day} (UTC)"
    yield f"  cost       {amount(found.cost_usd):>16}"
    yield f"  value      {amount(found.value_usd):>16}"
    yield f"  net        {amount(found.net_usd):>16}"
    yield f"  return     {'unknown: nothing was spent' if found.roi_percent is None else f'{found.roi_percent:,} %':>16}"
    days = found.payback_days
    payback = (
        "never: there was no value" if days is None else f"after {days:,} {'day' if days == 1 else 'days'}"
    )
    yield f"  paid back  {payback:>16}"
    if found.cost_per_hour_saved_usd is not None:
        yield f"  each hour saved cost {amount(found.cost_per_hour_saved_usd)}"


def change_lines(found: CostChange) -> Iterator[str]:
    if found.usual_usd == found.actual_usd == "0":
        yield f"No costs on {found.day} and the 7 days before. `herder cost show` shows this month."
        return
    sign = "" if found.change_usd.startswith("-") else "+"
    yield f"{found.day} (UTC) cost {amount(found.actual_usd)}; the mean of the 7 days before is {amount(found.usual_usd)} ({sign}{amount(found.change_usd)})."
    if found.unpriced:
        yield "Some use of these days has no rate; it is not in the amounts."
    explaining = [each for each in found.by if each.explains and each.named and _says_something(each)]
    explaining.sort(key=lambda each: each.dimension not in WHO)  # else as they explain it best
    if not explaining:
        yield "All groups have changed alike: none explains it."
    for each in explaining[:3]:
        yield f"By {each.dimension}"
        yield from (_group_line(group) for group in each.groups[: min(each.named, SHOWN)])
        if each.named > SHOWN:
            yield f"  and {each.named - SHOWN:,} more; -o json has all"


def _says_something(each: ChangeView) -> bool:
    """Not if all of it has no value of this dimension."""
    return any(group.group for group in each.groups[: each.named])


def _group_line(group: ChangedGroup) -> str:
    sign = "" if group.change_usd.startswith("-") else "+"
    return f"  {group.group or '-':<32} {sign + amount(group.change_usd):>14}  {amount(group.usual_usd)} to {amount(group.actual_usd)}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g} %"
