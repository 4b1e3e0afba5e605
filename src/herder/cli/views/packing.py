"""A packing as data and as sentences. Called by `herder pack`; decides nothing."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from herder.cli.input.pack_files import Row, TemplateRow
from herder.cli.output.formats import Format
from herder.cli.output.rows import Column, View
from herder.cli.shell.session import Session
from herder.cli.views.plans import cost_line
from herder.decide.packing.optimise import Optimised
from herder.decide.packing.pack import BinOffer, Packed, Packing
from herder.decide.packing.unplaced import Misfit, Obstacle, misfit
from herder.model.values.money import PICO_PER_USD
from herder.model.values.phrases import counted

#: Item key to how many, in one bin.
Content = dict[int, int]
_UNITS = {
    "cpu_milli": "m CPU",
    "memory_mib": " MiB memory",
    "disk_mib": " MiB disk",
    "gpu": " GPU",
    "slots": " pods",
}


def show_packing(
    say: Session,
    items: Sequence[Row],
    templates: Sequence[TemplateRow],
    there: Sequence[Row],
    found: Optimised,
    *,
    took_s: float,
    table: bool,
) -> None:
    inside = _contents(found.packing)
    kinds = {opened.key: opened.kind for opened in found.packing.opened}
    workers = _folded((templates[kinds[key]].name, each, n) for key, each, n in inside if key < 0)
    existing = _folded((there[key].id, each, n) for key, each, n in inside if key >= 0)
    unplaced = [
        {"id": items[key].id, "count": count, "reason": _reason(items[key], count, templates)}
        for key, count in found.packing.unplaced
    ]
    rows = [_worker(items, "template", *row) for row in workers]
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(
            {
                "cost_per_hour": found.cost_pico_per_hour / PICO_PER_USD,
                "lower_bound_per_hour": found.bound_pico_per_hour / PICO_PER_USD,
                "gap": _gap(found),
                "workers": rows,
                "existing": [_worker(items, "worker", *row) for row in existing],
                "unplaced": unplaced,
                "seconds": round(took_s, 3),
            }
        )
        return
    if rows or not table:
        say.printer.items(_VIEW, rows)
    if not table:
        return
    if existing:
        on = sum(sum(content.values()) * copies for (_, content, copies) in existing)
        say.printer.line(f"{counted(on, 'item')} on existing workers")
    say.printer.line(
        f"{counted(sum(row['count'] for row in rows), 'new worker')}: "
        + cost_line(found.cost_pico_per_hour, found.bound_pico_per_hour)
    )
    for each in unplaced:
        say.printer.line(f"not placed: {each['count']} of {each['id']}: {each['reason']}")


def _gap(found: Optimised) -> float | None:
    """Cost over bound, less one; nothing when the bound is nothing and the cost is not."""
    if found.bound_pico_per_hour <= 0 < found.cost_pico_per_hour:
        return None
    return float(Fraction(found.gap))


def _contents(packing: Packing) -> list[tuple[int, Content, int]]:
    """What bins hold, with their key and how many hold just that; new ones in the order in which they were opened."""
    by_bin: dict[int, list[Packed]] = {}
    for packed in packing.placed:
        by_bin.setdefault(packed.bin_key, []).append(packed)
    found = []
    for key, rows in sorted(by_bin.items(), key=lambda row: -row[0]):
        # There may be millions of copies: they are told apart only where a run of them begins or ends.
        edges = sorted({edge for row in rows for edge in (row.first_copy, row.first_copy + row.copies)})
        starts = {edge: [row for row in rows if row.first_copy == edge] for edge in edges}
        live: list[Packed] = []
        for edge, end in pairwise(edges):
            live = [row for row in live if row.first_copy + row.copies > edge] + starts[edge]
            content: Content = {}
            for row in live:
                content[row.item_key] = content.get(row.item_key, 0) + row.count
            if content:
                found.append((key, content, end - edge))
    return found


def _folded(rows: Iterable[tuple[str, Content, int]]) -> list[tuple[str, Content, int]]:
    found: dict[tuple[str, tuple[tuple[int, int], ...]], int] = {}
    for name, content, copies in rows:
        key = name, tuple(sorted(content.items()))
        found[key] = found.get(key, 0) + copies
    return [(name, dict(content), copies) for (name, content), copies in found.items()]


def _worker(items: Sequence[Row], word: str, name: str, content: Content, copies: int) -> dict[str, Any]:
    return {word: name, "count": copies, "items": {items[key].id: count for key, count in content.items()}}


def _reason(item: Row, left: int, templates: Sequence[TemplateRow]) -> str:
    offers = [
        BinOffer(kind=i, size=t.size, slots=t.pods, price_pico_per_hour=t.price_pico_per_hour, limit=t.limit)
        for i, t in enumerate(templates)
    ]
    return _words(misfit(item.size, None, offers), item, left, templates)


def _words(found: Misfit, item: Row, left: int, templates: Sequence[TemplateRow]) -> str:
    if found.nearest is None:
        return "no template fits"
    nearest = templates[found.nearest]
    name = nearest.name
    if found.obstacle is Obstacle.AT_LIMIT:
        more = -(-left // min(item.size.how_many_in(nearest.size), nearest.pods))
        return f"every template that fits is at its limit; {more} more of {name} would be enough"
    short = " and ".join(f"{amount}{_UNITS[what]}" for what, amount in found.lacking)
    return f"too large for every template; the nearest, {name}, lacks {short}"


def _cells(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in row["items"].items())


_VIEW = View(
    noun="worker",
    name=lambda row: str(row["template"]),
    columns=(
        Column(header="TEMPLATE", show=lambda row, _: str(row["template"]), raw=lambda row: row["template"]),
        Column(
            header="COUNT", show=lambda row, _: str(row["count"]), raw=lambda row: row["count"], right=True
        ),
        Column(header="ITEMS", show=lambda row, _: _cells(row), raw=lambda row: row["items"], wrap=True),
    ),
    empty="No new workers are needed.",
)
