"""Converts times of traces (`2023-11-16 18:15:46.6805900`) to seconds. Without a zone, because only differences matter."""

from datetime import UTC, datetime

from herder.simulate.traces.rows import Row


def seconds_of(row: Row, column: str, text: str) -> float:
    """Fractions of a second may have any number of digits."""
    whole, _, fraction = text.partition(".")
    try:
        if not (text.isascii() and (fraction or "0").isdigit()):
            raise ValueError
        moment = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
    except ValueError:
        raise row.bad_cell(
            column,
            text,
            "is not a time",
            "Write it as 2023-11-16 18:15:46, or skip bad rows with --skip-bad.",
        ) from None
