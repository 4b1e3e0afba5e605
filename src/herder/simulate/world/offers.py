"""The offers of the simulated world: templates with price, quota, times without stock and spot; and their short form.

`parse_template` reads `cpu=16,memory=64,price=0.8`. The world asks an offer whether one more can be had now.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from herder.model.values.resources import AMOUNT_MAX

_KEYS = "cpu, memory, disk, gpu, price, name, max, spot, billed and out"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimTemplate:
    """Amounts in thousandths and MiB as in `vectors.NAMES`; None: this template sets no limit there. Price per hour.

    `most`: quota, workers at a time. `out`: times (start, end) in which none can be had. `spot`: may be interrupted.
    `billed_s`: a worker costs at least so many seconds.
    """

    name: str
    amounts: tuple[int | None, int | None, int | None, int | None]
    price: float
    most: int | None = None
    out: tuple[tuple[float, float], ...] = ()
    spot: bool = False
    billed_s: float = 0.0

    def sold_at(self, now_s: float) -> bool:
        return not any(start <= now_s < end for start, end in self.out)


def cores(count: float, price: float = 1.0, **more: object) -> SimTemplate:
    """A template that limits CPU only."""
    milli = round(count * 1000)
    return replace(
        SimTemplate(name=f"{count:g}-cores", amounts=(milli, None, None, None), price=price),
        **more,  # type: ignore[arg-type]
    )


def parse_template(text: str) -> SimTemplate:
    """`cpu=16,memory=64,price=0.8`: cores and GiB, price per hour. Raises ValueError that names the part that is wrong."""
    given: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals or key not in (
            "cpu",
            "memory",
            "disk",
            "gpu",
            "price",
            "name",
            "max",
            "spot",
            "billed",
            "out",
        ):
            raise ValueError(
                f"{part.strip()!r} in template {text!r} is not KEY=VALUE with a known key. Known keys: {_KEYS}."
            )
        if key in given:
            raise ValueError(f"Template {text!r} has {key} twice. Keep one.")
        given[key] = value.strip()
    missing = "price" if "price" not in given else "cpu or gpu" if not {"cpu", "gpu"} & set(given) else ""
    if missing:
        raise ValueError(f"Template {text!r} lacks {missing}. Write for example cpu=16,memory=64,price=0.8.")
    scale = {"cpu": 1000, "memory": 1024, "disk": 1024, "gpu": 1000}
    amounts = [
        round(_number(given[key], key, text) * scale[key]) if key in given else None
        for key in ("cpu", "memory", "disk", "gpu")
    ]
    if any(amount is not None and not 0 < amount <= AMOUNT_MAX for amount in amounts):
        raise ValueError(f"Template {text!r} has an amount that is not above 0 and below a billion.")
    return SimTemplate(
        name=given.get("name") or "-".join(f"{given[k]}{k}" for k in ("cpu", "memory", "gpu") if k in given),
        amounts=(amounts[0], amounts[1], amounts[2], amounts[3]),
        price=_number(given["price"], "price", text),
        most=_whole(given["max"], text) if "max" in given else None,
        out=_windows(given["out"], text) if "out" in given else (),
        spot=given.get("spot", "no").lower() in ("yes", "true", "1"),
        billed_s=_number(given["billed"], "billed", text) if "billed" in given else 0.0,
    )


def _number(value: str, key: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(
            f"{key}={value!r} in template {text!r} is not an amount. Write a number, for example 16."
        )
    return number


def _whole(value: str, text: str) -> int:
    if not value.isdigit():
        raise ValueError(
            f"max={value!r} in template {text!r} is not a number of workers. Write for example 50."
        )
    return int(value)


def _windows(value: str, text: str) -> tuple[tuple[float, float], ...]:
    windows = []
    for part in value.split("+"):
        start, _, end = part.partition("-")
        window = (_number(start, "out", text), _number(end, "out", text))
        if window[0] >= window[1]:
            raise ValueError(
                f"out={value!r} in template {text!r}: write START-END in seconds, joined with +."
            )
        windows.append(window)
    return tuple(windows)


def distinct(templates: Sequence[SimTemplate]) -> tuple[SimTemplate, ...]:
    """The same templates with names that differ."""
    seen: dict[str, int] = {}
    result = []
    for template in templates:
        seen[template.name] = number = seen.get(template.name, 0) + 1
        result.append(replace(template, name=f"{template.name}-{number}") if number > 1 else template)
    return tuple(result)
