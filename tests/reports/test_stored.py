"""Documents that are stored come back as they were, and what was changed is found; times of reports and the days that they are of."""

from datetime import UTC, date, datetime

import pytest

from herder.control.costs.report_times import (
    CATCH_UP,
    TIMES,
    days_of,
    due_times,
    report_id,
    times_around,
    wrong_times,
)
from herder.model.stored.report_records import ReportScheduleRecord
from herder.reports.documents import Column, Document, Fact, Form, Table
from herder.reports.render import FORMATS
from herder.reports.stored import Damaged, digest_of, packed, unpacked

DOCUMENT = Document(
    kind="report",
    title="Costs of Zürich",
    facts=[Fact(key="total", value=10**30 + 1, form=Form.MONEY), Fact(key="change", value=None)],
    tables=[
        Table(
            key="projects",
            title="By project",
            columns=(Column("project"), Column("cost", Form.MONEY, wide=True)),
            rows=[("a", 10**30), ("=b", 1), ("c", None)],
            total=("total", 10**30 + 1),
            note="A note.",
        )
    ],
    notes=["One."],
)


def test_each_format_of_a_document_that_comes_back_is_the_same() -> None:
    body = packed(DOCUMENT)
    again = unpacked(body, digest_of(body))
    for _, render in FORMATS.values():
        assert render(again, None) == render(DOCUMENT, None)
    assert packed(again) == body


def test_a_stored_document_that_was_changed_is_found() -> None:
    body = packed(DOCUMENT)
    with pytest.raises(Damaged, match="not those of its hash"):
        unpacked(body.replace("Zürich", "Bern"), digest_of(body))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def schedule(
    period: str, zone: str = "UTC", handled: str = "2026-01-01", cron: str = ""
) -> ReportScheduleRecord:
    return ReportScheduleRecord(
        name="r", period=period, view="full", division="", method="direct", booked=0, cron=cron or TIMES[period], timezone=zone,
        keep_ms=1, created_by="user/a", created_at_ms=0, handled_ms=ms(handled), asked_ms=None, tries=0, next_try_ms=None, last_text="",
    )  # fmt: skip


def test_the_first_weekday_of_each_month_is_found() -> None:
    at_ms, found = ms("2026-01-01"), []
    for _ in range(12):
        after = times_around(TIMES["monthly"], "Europe/Berlin", at_ms // 60_000)[1]
        assert after is not None
        assert times_around(TIMES["monthly"], "Europe/Berlin", after // 60_000)[0] == after
        found.append(datetime.fromtimestamp(after // 1000, UTC).strftime("%m-%dT%H"))
        at_ms = after
    # The 1st is a Sunday in February, March and November, a Saturday in August; from April to October it is summer time.
    assert found == [
        "01-01T08", "02-02T08", "03-02T08", "04-01T07", "05-01T07", "06-01T07",
        "07-01T07", "08-03T07", "09-01T07", "10-01T07", "11-02T08", "12-01T08",
    ]  # fmt: skip


def test_the_days_of_a_report_are_those_of_its_time_in_its_zone() -> None:
    # 09:00 on Monday in Sydney is Sunday in UTC.
    sydney = schedule("weekly", "Australia/Sydney")
    assert days_of(sydney, ms("2026-11-29T22:00")) == (date(2026, 11, 23), date(2026, 11, 29))
    assert days_of(schedule("weekly"), ms("2026-11-29T22:00")) == (date(2026, 11, 16), date(2026, 11, 22))
    assert days_of(schedule("monthly"), ms("2026-03-02T09:00")) == (date(2026, 2, 1), date(2026, 2, 28))
    # A day of the ledger that has not begun has no costs.
    assert days_of(schedule("daily", "Australia/Sydney"), ms("2026-11-29T22:00"))[0] == date(2026, 11, 29)


def test_times_that_were_missed_are_due_once_each_and_at_most_a_month_of_them() -> None:
    record = schedule("daily", handled="2026-11-25T18:00")
    assert due_times(record, ms("2026-11-25T18:30")) == ([], False)
    three = [ms(f"2026-11-{day}T18:00") for day in (26, 27, 28)]
    assert due_times(record, ms("2026-11-28T18:00")) == (three, False)
    times, older = due_times(record, ms("2027-11-28T18:00"))
    assert older
    assert len(times) == CATCH_UP
    assert times[-1] == ms("2027-11-28T18:00")


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("0 9 1W * 1", "UTC", "names weekdays beside 1W"),
        ("0,30 9 * * *", "UTC", "less than an hour apart"),
        ("* * 1W * *", "UTC", "less than an hour apart"),
        ("0 9 2W * *", "UTC", "is not a cron expression"),
        ("0 9 30 2 *", "UTC", "is not a cron expression"),
        ("0 9 1W * *", "Mars", "is not a time zone"),
    ],
)
def test_times_that_cannot_be_used_are_told(cron: str, zone: str, said: str) -> None:
    assert said in (wrong_times(cron, zone, ms("2026-11-28")) or "")


def test_the_times_of_cortex_can_be_used() -> None:
    for cron in TIMES.values():
        assert wrong_times(cron, "America/Los_Angeles", ms("2026-11-28")) is None


def test_a_report_that_was_asked_for_has_never_the_id_of_a_time() -> None:
    record = schedule("daily")
    assert report_id(record, ms("2026-11-28T18:00"), asked=False) == "r-20261128T180000Z"
    assert report_id(record, ms("2026-11-28T18:00"), asked=True) == "r-20261128T180000000Z"
