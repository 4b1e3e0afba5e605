"""`herder cost forecast` and `herder cost anomalies`: the fixed forms, and what is wrong with a file."""

import json
from pathlib import Path

import pytest

from herder.cli.input.series_file import read_series
from herder.cli.shell.main import build_app, run


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(build_app(), ["cost", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def written(folder: Path, *rows: str, head: str = "time,value") -> str:
    path = folder / "series.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def test_a_forecast_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, *(f"2026-03-{day:02},{100 + day % 7}" for day in range(1, 32)))
    code, out, _ = called(
        capsys, "forecast", "--series", path, "--horizon", "3", "--season", "7", "-o", "json"
    )
    told = json.loads(out)
    assert code == 0
    assert list(told) == ["api_version", "mean", "p10", "p90"]
    assert told["mean"] == pytest.approx([104, 105, 106], abs=1.5)


def test_a_forecast_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, *(f"{hour},5" for hour in range(50)))
    code, out, _ = called(capsys, "forecast", "--series", path, "--horizon", "2")
    assert code == 0
    assert out.split() == [
        "STEP", "TIME", "MEAN", "P10", "P90",
        "1", "50", "5.00", "5.00", "5.00",
        "2", "51", "5.00", "5.00", "5.00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "following"),
    [
        (["2026-02-26", "2026-02-27", "2026-02-28"], ["2026-03-01", "2026-03-02"]),
        (
            ["2026-02-28T22:00:00Z", "2026-02-28T23:00:00Z"],
            ["2026-03-01T00:00:00+00:00", "2026-03-01T01:00:00+00:00"],
        ),
        (["7200", "10800"], ["14400", "18000"]),
        (["2026-01-01", "2026-02-01", "2026-03-01"], ["", ""]),
        (["week 1", "week 2"], ["", ""]),
        (["9999-12-30", "9999-12-31"], ["", ""]),
    ],
)
def test_the_times_of_a_forecast(tmp_path: Path, times: list[str], following: list[str]) -> None:
    """As the file writes its times; none where it has no fixed step."""
    path = written(tmp_path, *(f"{time},5" for time in times))
    assert read_series(Path(path)).following(2) == following


def test_anomalies_as_json_have_every_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [10 + (t * 7) % 3 for t in range(300)]
    values[250] = 500
    path = written(tmp_path, *(f"{t * 3600},{value}" for t, value in enumerate(values)))
    code, out, _ = called(capsys, "anomalies", "--series", path, "-o", "json")
    told = json.loads(out)
    assert code == 0
    assert len(told) == 300
    assert list(told[0]) == ["time", "score", "kind"]
    assert told[0]["kind"] is None
    assert told[250]["time"] == str(250 * 3600)
    assert told[250]["kind"] in ("spike", "out_of_pattern")


def test_a_quiet_series_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(
        capsys, "anomalies", "--series", written(tmp_path, *(f"{t},5" for t in range(50)))
    )
    assert code == 0
    assert "This series has no anomalies." in out + err


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (["1,5"], "time,cost", "the header line lacks value"),
        ([], "time,value", "The file has no rows"),
        (["1,five"], "time,value", ":2:3: The value is 'five'."),
        (["1,"], "time,value", "The value is ''."),
        (["1,nan"], "time,value", "The value is 'nan'."),
        ([",5"], "time,value", ":2:1: The time is empty."),
        (["2,5", "1,5"], "time,value", ":3:1: The time is not later than that of the row before."),
    ],
)
def test_what_is_wrong_with_a_file(
    rows: list[str], head: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = called(
        capsys, "forecast", "--series", written(tmp_path, *rows, head=head), "--horizon", "3"
    )
    assert (code, out) == (2, "")
    assert said.lower() in err.lower()
    assert "Nothing was computed." in err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, "anomalies", "--series", "/nowhere.csv")
    assert code == 2
    assert "/nowhere.csv cannot be read" in err
