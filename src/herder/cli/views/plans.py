"""Plans, diffs and explanations in words. Tolerant of keys that a newer server adds."""

from collections.abc import Iterator
from typing import Any

from herder.cli.output.words import usd
from herder.model.money import format_usd, usd_text
from herder.model.phrases import counted, ended_with
from herder.model.times import iso, span
from herder.wire.resources import ApplyAnswer, Explanation, PlanView

#: Milliseconds from here on are a time; below they are a duration.
_EPOCH_FROM_MS = 10**11


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
    """`cost $12.34/h, at least $12.10/h is needed (gap 2.0 %)`."""
    if cost_pico == bound_pico:
        return f"cost {format_usd(cost_pico)}/h, which is the least that is possible"
    gap = f" (gap {(cost_pico / bound_pico - 1) * 100:.1f} %)" if bound_pico > 0 else ""
    return f"cost {format_usd(cost_pico)}/h, at least {format_usd(bound_pico)}/h is needed{gap}"


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
        yield f"New workers for queued jobs: {cost_line(plan.cost_pico_per_hour, plan.bound_pico_per_hour)}"
    for pool in plan.pools:
        yield ""
        yield (
            f"{pool.get('pool', '?')}: {pool.get('actual', '?')} of {pool.get('desired', '?')} wanted workers, "
            f"{counted(int(pool.get('queued_jobs', 0)), 'queued job')} may run here"
        )
        yield from (f"  {with_flip(reason)}" for reason in pool.get("reasons", ()))
    if plan.unplaced:
        yield ""
        yield "Jobs that no pool can take now:"
        for row in plan.unplaced:
            yield f"  {counted(int(row.get('count', 0)), 'job')}: {with_flip(row.get('reason'))}"


def explanation_lines(found: Explanation) -> Iterator[str]:
    """What the summary says is not said again: its fact has the figures alone."""
    yield f"{found.subject}: {found.summary}"
    for fact in found.facts:
        said = fact.text in found.summary
        if said and not fact.evidence:
            continue
        evidence = ", ".join(
            figure(key, value) for key, value in fact.evidence.items() if key != "flips" and value is not None
        )
        flips = fact.evidence.get("flips")
        yield (
            f"  - {fact.kind.replace('_', ' ') if said else fact.text}"
            + (f" ({evidence})" if evidence else "")
            + (_would_change(flips) if flips else "")
        )


def figure(key: str, value: Any) -> str:
    """`until_ms`, `idle_s` and the like with their units; settings by the names that they have."""
    name, _, unit = key.rpartition("_")
    if key == "exit_code" and isinstance(value, int):
        return ended_with(value)
    if unit == "ms" and isinstance(value, int | float):
        return f"{name} {iso(int(value)) if value >= _EPOCH_FROM_MS else span(int(value))}"
    if unit == "s" and isinstance(value, int | float):
        return f"{name} {value:g} s"
    if unit == "pico" and isinstance(value, int):
        return f"{name} {format_usd(value, 6)}"
    if isinstance(value, list):
        value = ", ".join(str(each) for each in value)
    return f"{key} {value}"


def apply_lines(answer: ApplyAnswer) -> Iterator[str]:
    """The difference that an apply makes, and what it may cost."""
    for change in answer.changes:
        sign = {"created": "+", "updated": "~", "unchanged": " "}[change.change]
        yield f"{sign} pool {change.pool} {change.change}"
        for field, (before, after) in change.fields.items():
            shown = _templates if field == "templates" else _short
            yield f"    {field}: {shown(before)} → {shown(after)}"
    for path, (before, after) in answer.sharing.items():
        yield f"~ {path}: {_short(before)} → {_short(after)}"
    low, high = usd(answer.price_per_hour_min_usd), usd(answer.price_per_hour_max_usd)
    yield f"With these pools the fleet costs {low}/h at its minimum and {high}/h at its maximum."


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
