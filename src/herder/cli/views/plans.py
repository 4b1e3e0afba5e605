"""Plans, changes of an apply, and explanations as sentences. Ignores unknown keys, which a newer server may add."""

from collections.abc import Iterator
from typing import Any

from herder.cli.output.humanize import usd
from herder.cli.views.provider_changes import provider_lines
from herder.model.values.money import format_usd, usd_text
from herder.model.values.phrases import counted, ended_with
from herder.wire.api.resources import ApplyAnswer, Explanation, PlanView


def action_row(action: dict[str, Any]) -> dict[str, Any]:
    """An action's fields flat, with the price in dollars."""
    spec = action.get("spec") if isinstance(action.get("spec"), dict) else {}
    row = {**(spec or {}), **action}
    row["action"] = str(row.get("action") or row.get("kind") or ("create" if spec else "drain"))
    row["worker"] = str(row.get("worker") or row.get("name") or "?")
    price = row.get("price_pico_per_hour")
    row["price_per_hour_usd"] = usd_text(price) if isinstance(price, int) else None
    return row


def action_line(action: dict[str, Any]) -> str:
    """`create worker burst-7-1 in burst (small, $0.12/h): 5 jobs wait`."""
    row = action_row(action)
    line = f"{row['action']} worker {row['worker']}"
    if row.get("pool"):
        line += f" in {row['pool']}"
    inside = [str(row["template"])] if row.get("template") else []
    inside += [f"zone {row['zone']}"] if row.get("zone") else []
    inside += ["spot"] if row.get("spot") else []
    if isinstance(row.get("price_pico_per_hour"), int):
        inside.append(f"{format_usd(row['price_pico_per_hour'])}/h")
    if inside:
        line += f" ({', '.join(inside)})"
    reason = reason_text(row.get("reason"))
    return f"{line}: {reason}" if reason else line


def cost_line(cost_pico: int, bound_pico: int) -> str:
    """`cost $12.34/h, lower bound $12.10/h (gap 2.0 %)`."""
    if cost_pico == bound_pico:
        return f"cost {format_usd(cost_pico)}/h, equal to the lower bound"
    gap = f" (gap {(cost_pico / bound_pico - 1) * 100:.1f} %)" if bound_pico > 0 else ""
    return f"cost {format_usd(cost_pico)}/h, lower bound {format_usd(bound_pico)}/h{gap}"


def reason_text(reason: Any) -> str:
    if isinstance(reason, dict):
        return str(reason.get("text") or reason.get("kind") or "")
    return str(reason or "")


def with_flip(reason: Any) -> str:
    """The reason, and what would change it where the planner says so."""
    text = reason_text(reason)
    evidence = reason.get("evidence") if isinstance(reason, dict) else None
    pairs = evidence.items() if isinstance(evidence, dict) else evidence or ()
    flips = next((pair[1] for pair in pairs if pair and pair[0] == "flips"), None)
    return f"{text}{_would_change(flips)}" if flips else text


def _would_change(flips: object) -> str:
    return f" [would change with: {flips}]"


def plan_lines(plan: PlanView) -> Iterator[str]:
    """A plan for people: what would be done, then what the planner saw of each pool and why."""
    if plan.empty or not plan.actions:
        yield "Nothing to do."
    else:
        yield f"{counted(len(plan.actions), 'action')}:"
        yield from (f"  {action_line(action)}" for action in plan.actions)
    if plan.cost_pico_per_hour:
        yield f"New workers for queued jobs: {cost_line(plan.cost_pico_per_hour, plan.bound_pico_per_hour)}."
    yield from (each.text for each in plan.outlook)
    for pool in plan.pools:
        yield ""
        yield (
            f"{pool.get('pool', '?')}: {counted(int(pool.get('actual', 0)), 'worker')}, {pool.get('desired', '?')} desired, "
            f"{counted(int(pool.get('queued_jobs', 0)), 'eligible queued job')}"
        )
        yield from (f"  {with_flip(reason)}" for reason in pool.get("reasons", ()))
    if plan.unplaced:
        yield ""
        yield "Jobs that no pool can take at the moment:"
        for row in plan.unplaced:
            yield f"  {counted(int(row.get('count', 0)), 'job')}: {with_flip(row.get('reason'))}"


def explanation_lines(found: Explanation) -> Iterator[str]:
    """The sentences, without those that the summary repeats. The evidence as fields is in JSON, YAML and CSV."""
    yield f"{found.subject}: {found.summary}"
    for fact in found.facts:
        flips = fact.evidence.get("flips")
        repeated = fact.text in found.summary
        if repeated and not flips:
            continue
        text = fact.kind.replace("_", " ") if repeated else fact.text
        more = _of_attempt(fact.evidence) if fact.kind == "attempt" else ""
        yield f"  - {text}{more}{_would_change(flips) if flips else ''}"


def _of_attempt(evidence: dict[str, Any]) -> str:
    """What the sentence about an attempt leaves out: when it was assigned, and its exit code."""
    code, at = evidence.get("exit_code"), evidence.get("assigned_at")
    parts = [f"assigned at {at}"] if at else []
    parts += [ended_with(code)] if isinstance(code, int) else []
    return f" ({', '.join(parts)})" if parts else ""


def apply_lines(answer: ApplyAnswer) -> Iterator[str]:
    """The difference that an apply makes, and what it may cost."""
    for change in answer.changes:
        sign = {"created": "+", "updated": "~", "unchanged": " "}[change.change]
        yield f"{sign} pool {change.pool} {change.change}"
        for field, (before, after) in change.fields.items():
            shown = _templates if field == "templates" else _short
            yield f"    {field}: {shown(before)} → {shown(after)}"
        for each in change.provider:
            yield from provider_lines(each)
    for path, (before, after) in [*answer.sharing.items(), *answer.budgets.items()]:
        yield _of_sharing(path, before, after)
    low, high = usd(answer.price_per_hour_min_usd), usd(answer.price_per_hour_max_usd)
    yield f"With these pools the fleet costs at least {low}/h and at most {high}/h."
    yield from (each.text for each in answer.outlook)
    yield from (f"warning: {each}" for each in answer.warnings)


def _of_sharing(path: str, before: Any, after: Any) -> str:
    """A value that did not exist before, or does not exist any more, has no arrow."""
    if before is None:
        return f"+ {path}: {_short(after)}"
    if after is None:
        return f"- {path}: {_short(before)}"
    return f"~ {path}: {_short(before)} → {_short(after)}"


def _templates(rows: Any) -> str:
    """Templates of a pool with what tells them apart; anything else as it is."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return _short(rows)
    parts = ("cpu", "memory", "disk", "gpu", "slots")
    return ", ".join(
        f"{row.get('name')} ({', '.join(f'{part} {row[part]}' for part in parts if row.get(part))}, "
        f"{usd(str(row.get('price_per_hour', '?')))}/h)"
        for row in rows
    )


def _short(value: Any) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:197] + "…"
