"""A chart as data for the page: curves, ticks in per cent, a sentence, and a table. Called by `page`.

The box is stretched to the width of the page, so text stands outside it as HTML: it keeps its size on a phone. Every chart
says the same three times: drawn, as a sentence for screen readers, and as a table that can be opened.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BOX = (1000, 300)
#: Rows of the table below a chart.
ROWS = 13
_TIMES_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_STEPS_S = (1, 10, 60, 600, 3600, 36_000, 360_000, 3_600_000)

Values = Sequence[float | None]
Show = Callable[[float], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`flat`: a level that holds for the whole chart, drawn dotted."""

    label: str
    values: Values
    flat: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    part: float
    """Per cent of the box."""
    label: str

    @property
    def side(self) -> str:
        """Labels at the ends stay within the chart."""
        return "first" if self.part < 5 else "last" if self.part > 92 else "inner"


@dataclass(frozen=True, slots=True)
class Curve:
    label: str
    look: int
    """1 and on; colour and dashes. 0: a level."""
    points: tuple[str, ...]
    """One for each unbroken piece, as SVG has them."""
    filled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    name: str
    title: str
    note: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    sentence: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """`at`: where each value stands, in 0…1. `ticks` with the same scale. `name`: heads the table's first column."""

    name: str
    at: Sequence[float]
    labels: Sequence[str]
    ticks: tuple[Tick, ...]


def time_axis(middles_s: Sequence[float], end_s: float) -> Axis:
    unit_s, unit = next(
        ((size, name) for size, name in ((86_400.0, "day"), (3600.0, "h"), (60.0, "min")) if end_s >= 3 * size),
        (1.0, "s"),
    )  # fmt: skip
    step = nice(end_s / unit_s / 5)
    ticks = []
    for place in range(1 + int(end_s / unit_s / step)):
        amount = place * step
        label = f"{unit} {amount:g}" if unit == "day" else f"{amount:g} {unit}"
        ticks.append(Tick(round(100 * amount * unit_s / end_s, 2), label))
    labels = [
        f"{unit} {at / unit_s:.1f}" if unit == "day" else f"{at / unit_s:.1f} {unit}" for at in middles_s
    ]
    return Axis(name="time", at=[at / end_s for at in middles_s], labels=labels, ticks=tuple(ticks))


def wait_axis(longest_s: float) -> Axis:
    """Waits on a logarithmic scale from a second."""
    end = math.log10(_end_of_waits(longest_s))
    count = 120
    at = [place / (count - 1) for place in range(count)]
    ticks = tuple(Tick(round(100 * math.log10(s) / end, 2), duration(s)) for s in _STEPS_S if math.log10(s) <= end)  # fmt: skip
    return Axis(
        name="waited at most", at=at, labels=[duration(10 ** (part * end)) for part in at], ticks=ticks
    )


def waits_of(axis: Axis, longest_s: float) -> list[float]:
    """The waits at which `wait_axis` has its points."""
    return [10 ** (part * math.log10(_end_of_waits(longest_s))) for part in axis.at]


def _end_of_waits(longest_s: float) -> float:
    """A little beyond the longest, so that the curve reaches its end."""
    return max(1.1 * longest_s, 10.0)


def make(
    name: str,
    title: str,
    note: str,
    axis: Axis,
    lines: Sequence[Line],
    show: Show,
    *,
    stacked: bool = False,
    top: float | None = None,
) -> Chart:
    drawn = _stack(lines) if stacked else lines
    highest = top or max((value for line in drawn for value in line.values if value is not None), default=0.0)
    least = max(highest, 1e-9) / 4
    step = nice_time(least) if show is duration else nice(least)
    top_y = top or step * math.ceil(max(highest, 1e-9) / step - 1e-9)
    curves = []
    for place, line in enumerate(drawn):
        look = 0 if line.flat else sum(not each.flat for each in drawn[: place + 1])
        curves.append(Curve(line.label, look, _pieces(axis.at, line.values, top_y, stacked), stacked))
    ticks = [Tick(round(100 * k * step / top_y, 2), show(k * step)) for k in range(int(top_y / step + 1e-9) + 1)]  # fmt: skip
    picked = sorted({round(k * (len(axis.at) - 1) / (ROWS - 1)) for k in range(ROWS)})
    return Chart(
        name=name,
        title=title,
        note=note,
        curves=tuple(reversed(curves) if stacked else curves),
        x_ticks=axis.ticks,
        y_ticks=tuple(ticks),
        sentence=" ".join(_sentence(line, show) for line in lines),
        head=(axis.name, *(line.label for line in lines)),
        rows=tuple((axis.labels[at], *(_cell(line.values[at], show) for line in lines)) for at in picked),
    )


def _stack(lines: Sequence[Line]) -> list[Line]:
    sums = [0.0] * len(lines[0].values)
    result = []
    for line in lines:
        sums = [below + (value or 0.0) for below, value in zip(sums, line.values, strict=True)]
        result.append(Line(label=line.label, values=sums))
    return result


def _pieces(at: Sequence[float], values: Values, top: float, filled: bool) -> tuple[str, ...]:
    width, height = BOX
    pieces: list[list[str]] = [[]]
    for part, value in zip(at, values, strict=True):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{part * width:.1f},{height - min(1.0, value / top) * height:.1f}")
    if filled:
        return (f"{at[0] * width:.1f},{height} {' '.join(pieces[0])} {at[-1] * width:.1f},{height}",)
    # A lone point is a line to itself, so that its round cap shows.
    return tuple(" ".join(piece if len(piece) > 1 else piece * 2) for piece in pieces if piece)


def _sentence(line: Line, show: Show) -> str:
    known = [value for value in line.values if value is not None]
    if not known:
        return f"{line.label}: nothing."
    if line.flat:
        return f"{line.label}: {show(known[0])}."
    return f"{line.label}: at most {show(max(known))}, at the end {show(known[-1])}."


def _cell(value: float | None, show: Show) -> str:
    return "–" if value is None else show(value)


def nice(least: float) -> float:
    """The smallest of 1, 2, 5, 10 … that is not below."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least * (1 - 1e-9))


def nice_time(least_s: float) -> float:
    """The same for seconds, in steps that people count in."""
    return float(next((step for step in _TIMES_S if step >= least_s), 86_400 * nice(least_s / 86_400)))


def duration(seconds: float) -> str:
    """`90 s`, `25 min`, `3.5 h`, `12 d`."""
    for size, unit in ((86_400 * 3, "d"), (3600 * 3, "h"), (180, "min")):
        if seconds >= size:
            return f"{seconds / {'d': 86_400, 'h': 3600, 'min': 60}[unit]:.3g} {unit}"
    return f"{seconds:.3g} s"


def number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
