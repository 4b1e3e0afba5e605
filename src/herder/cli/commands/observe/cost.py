"""`herder cost`: what was spent, from the ledger of a server; the future of a series of costs, and the anomalies of its past."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from herder.cli.input import cost_ledger, cost_reports, cost_savings, stored_reports
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.first_level import COST
from herder.cli.shell.session import Session, session

if TYPE_CHECKING:
    from herder.analysis.forecast.combination import Forecast
    from herder.cli.output.rows import Column

HORIZON_MOST = 10_000
_FORECAST = """
herder cost forecast --series daily.csv --horizon 30 --season 7
herder cost forecast --series hourly.csv --horizon 48 --season 24 -o json
"""
_ANOMALIES = """
herder cost anomalies --series daily.csv
herder cost anomalies --series daily.csv -o json
"""
Series = Annotated[
    Path,
    typer.Option(
        "--series", metavar="CSV", help="Columns time,value; oldest first, evenly spaced. - for stdin."
    ),
]


def build() -> typer.Typer:
    app = noun(
        COST,
        example="herder cost show\nherder cost breakdown --by project\nherder cost forecast --series daily.csv --horizon 30 --season 7",
    )
    command(app, "show", example=cost_ledger.SHOW)(cost_ledger.show)
    command(app, "breakdown", example=cost_ledger.BREAKDOWN)(cost_ledger.breakdown)
    command(app, "trends", example=cost_ledger.TRENDS)(cost_ledger.trends)
    command(app, "lines", example="herder cost lines --from 2026-11-28")(cost_ledger.lines)
    command(app, "explain", example="herder cost explain 9f86d081884c7d65")(cost_ledger.explain)
    command(app, "months", example="herder cost months")(cost_ledger.months)
    command(app, "close", example="herder cost close 2026-10")(cost_ledger.close)
    cost_reports.add(app)
    app.add_typer(stored_reports.build(), name="reports")
    cost_savings.add(app)
    command(app, "forecast", example=_FORECAST)(forecast)
    command(app, "anomalies", example=_ANOMALIES)(anomalies)
    return app


def forecast(
    ctx: typer.Context,
    series: Series,
    horizon: Annotated[
        int, typer.Option("--horizon", min=1, max=HORIZON_MOST, help="How many values to forecast.")
    ],
    season: Annotated[
        int,
        typer.Option(
            "--season", min=1, max=100_000, help="Values in one season: 24 for hours, 7 for days; 1 for none."
        ),
    ] = 1,
) -> None:
    """Forecast a series, with the range in which 80 of 100 values lie. Needs no server.

    Several models are averaged; one that erred less at earlier times has more weight. The range comes from the errors of the average at those
    times. With --season 24, a pattern of the week is looked for, too.
    """
    from herder.analysis.forecast.combination import forecast as computed
    from herder.cli.input.series_file import read_series

    say, read = session(ctx), read_series(series)
    found = computed(read.values, horizon, season)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data({"mean": list(found.mean), "p10": list(found.p10), "p90": list(found.p90)})
        return
    _show_forecast(say, found, read.following(horizon))


def anomalies(ctx: typer.Context, series: Series) -> None:
    """List the anomalies of a series: spikes, dips, shifts of the level. Needs no server.

    Each point is judged by those before it. JSON has every point, with a score from 0 to 1, and a kind where something is wrong; the
    table has those alone.
    """
    from herder.analysis.anomalies.scores import scores
    from herder.cli.input.series_file import read_series

    say, read = session(ctx), read_series(series)
    rows = [
        {"time": time, "score": round(each.score, 4), "kind": each.kind.value if each.kind else None}
        for time, each in zip(read.times, scores(read.values, read.rows_of_a_day), strict=True)
    ]
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(rows)
        return
    odd = [
        {**row, "value": value}
        for row, value in zip(rows, read.values, strict=True)
        if row["kind"] is not None
    ]
    _show_anomalies(say, odd)


def _show_forecast(say: Session, found: "Forecast", times: Sequence[str]) -> None:
    from herder.cli.output.columns import made
    from herder.cli.output.rows import View

    view = View(
        noun="value",
        name=lambda row: str(row["step"]),
        columns=(
            made("STEP", lambda row: row["step"], right=True),
            made("TIME", lambda row: row["time"]),
            *(_rounded(name) for name in ("mean", "p10", "p90")),
        ),
        empty="There is nothing to forecast.",
    )
    rows = zip(found.mean, found.p10, found.p90, strict=True)
    say.printer.items(
        view,
        [
            {"step": step, "time": time, "mean": mean, "p10": low, "p90": high}
            for step, (time, (mean, low, high)) in enumerate(zip(times, rows, strict=True), 1)
        ],
    )


def _rounded(name: str) -> "Column":
    """For people; programs get each digit."""
    from herder.cli.output.rows import Column

    return Column(
        header=name.upper(), key=name, right=True,
        show=lambda row, now_s: _decimals(row[name]), raw=lambda row: _short(row[name]),
    )  # fmt: skip


def _show_anomalies(say: Session, odd: list[dict[str, Any]]) -> None:
    from herder.cli.output.columns import made
    from herder.cli.output.rows import View

    view = View(
        noun="anomaly",
        name=lambda row: str(row["time"]),
        columns=(
            made("TIME", lambda row: row["time"]),
            made("VALUE", lambda row: _short(row["value"]), right=True),
            made("SCORE", lambda row: row["score"], right=True),
            made("KIND", lambda row: row["kind"]),
        ),
        empty="This series has no anomalies.",
    )
    if not odd and say.format is Format.TABLE:
        say.say(view.empty)
    say.printer.items(view, odd)


def _short(value: float) -> float:
    """Six significant digits are more than a forecast knows."""
    return float(f"{value:.6g}")


def _decimals(value: float) -> str:
    """Two decimals, as of money; a value below 0.01 keeps three digits."""
    return f"{value:,.2f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3g}"
