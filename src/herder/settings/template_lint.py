"""Warnings about the sizes and prices of a pool's templates: those that are never worth creating. Called by `lint`; pure."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from herder.model.fleet.pool import PoolSpec, Template
from herder.model.values.money import PicoUsd, format_usd
from herder.model.values.resources import ZERO
from herder.settings.doubts import Doubt, note, warning


def template_findings(pool: PoolSpec) -> Iterator[Doubt]:
    """Only of templates that are alike in all but name, size and price: zones, labels or options can be worth a price."""
    for first, second in combinations(pool.templates, 2):
        if _kind(first) != _kind(second):
            continue
        if first.allocatable == second.allocatable:
            yield from _same_size(first, second)
        elif not first.allocatable.lacking_in(second.allocatable):
            yield from _dearer(first, second)
        elif not second.allocatable.lacking_in(first.allocatable):
            yield from _dearer(second, first)


def _kind(template: Template) -> Template:
    return replace(
        template,
        name="",
        allocatable=ZERO,
        price_pico_per_hour=PicoUsd(0),
        spot_price_pico_per_hour=None,
    )


def _same_size(first: Template, second: Template) -> Iterator[Doubt]:
    if _prices(first) == _prices(second):
        yield note(
            "templates",
            f"Templates {first.name!r} and {second.name!r} are the same but for their names.",
            "Remove one of them.",
        )
        return
    yield warning(
        "templates",
        f"Templates {first.name!r} and {second.name!r} have the same size and different prices: {_price(first)} and {_price(second)}.",
        "Remove one of them, or correct its price.",
    )


def _dearer(small: Template, large: Template) -> Iterator[Doubt]:
    """Machines that all cost nothing differ in size only."""
    if large.price_pico_per_hour <= small.price_pico_per_hour > 0:
        yield warning(
            "templates",
            f"Template {large.name!r} is larger than {small.name!r} and costs no more: {_price(large)} and {_price(small)}.",
            f"Correct the prices, or remove {small.name!r}.",
        )


def _prices(template: Template) -> tuple[int, int | None]:
    return template.price_pico_per_hour, template.spot_price_pico_per_hour


def _price(template: Template) -> str:
    spot = template.spot_price_pico_per_hour
    return f"{format_usd(template.price_pico_per_hour, 2)}/h{'' if spot is None else f' ({format_usd(spot, 2)}/h spot)'}"
