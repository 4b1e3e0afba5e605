"""Reading traces: every format is known by its content, and what is wrong is said with its place."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from herder.simulate.bounds.no_wait import earliest_starts
from herder.simulate.policies.simple.first_fit import FirstFit
from herder.simulate.traces import FORMATS, read_trace
from herder.simulate.traces.rows import TraceError
from herder.simulate.world.offers import cores
from tests.simulate.small import EXCERPTS, NO_BOOT, ran


@pytest.mark.parametrize("path", sorted(EXCERPTS.glob("*.gz")), ids=lambda path: path.name)
def test_every_excerpt_is_known_and_runs(path: Path) -> None:
    trace = read_trace(path)
    assert path.name.startswith(trace.format)
    assert len(trace) > 100
    assert trace.arrival_s == sorted(trace.arrival_s)
    assert trace.arrival_s[0] == 0
    assert read_trace(path, trace.format).run_s == trace.run_s


def test_excerpts_stay_small() -> None:
    sizes = [path.stat().st_size for path in EXCERPTS.glob("*.gz")]
    assert max(sizes) <= 100_000
    assert sum(sizes) <= 600_000


def test_the_running_count_of_a_series_is_the_series(tmp_path: Path) -> None:
    rows = [
        "date,time,count",
        *(f"2021-12-10, 13:0{n}:00,{level}" for n, level in enumerate([3, 5, 2, 2, 4])),
    ]
    trace = read_trace(_file(tmp_path, "\n".join(rows)))
    for second, level in ((30, 3), (90, 5), (150, 2), (230, 2), (270, 4)):
        live = sum(a <= second < a + r for a, r in zip(trace.arrival_s, trace.run_s, strict=True))
        assert live == level


def test_a_workflow_takes_its_critical_path() -> None:
    trace = read_trace(EXCERPTS / "wfformat-1000genome.json.gz")
    world = ran(trace, (cores(1000),), FirstFit(), NO_BOOT)
    ends = [start_s + run_s for start_s, run_s in zip(earliest_starts(world), trace.run_s, strict=True)]
    assert max(ends) == pytest.approx(372, abs=1)
    assert max(
        start_s + run_s for start_s, run_s in zip(world.started_s, trace.run_s, strict=True)
    ) == pytest.approx(max(ends))


def test_swf(tmp_path: Path) -> None:
    head = "; Version: 2.2\n; Computer: a test\n"
    rows = [
        "1 0 5 100 4 -1 -1 4 200 1024 1 7 1 3 1 -1 -1 -1",
        "2 10 5 -1 4 -1 -1 4 200 -1 0 7 1 3 1 -1 -1 -1",
        "3 20 5 50 -1 -1 -1 2 -1 -1 1 8 1 3 1 -1 -1 -1",
    ]
    trace = read_trace(_file(tmp_path, head + "\n".join(rows)))
    assert trace.format == "swf"
    assert [trace.shapes[shape][:2] for shape in trace.shape_of] == [(4000, 4), (2000, 0)]
    assert (trace.users, trace.limit_s, trace.run_s) == (["7", "8"], [200.0, None], [100, 50])


def test_csv_with_everything(tmp_path: Path) -> None:
    text = (
        "id,arrival_s,run_s,cpu,memory_mib,gpu,user,name,limit_s,parents\n"
        'a,5,10,0.5,100,,ann,"train, big",60,\nb,5,10,1,100,0.25,ann,eval,,a\n'
    )
    trace = read_trace(_file(tmp_path, text))
    assert trace.format == "csv"
    assert trace.shapes == [(500, 100, 0, 0), (1000, 100, 0, 250)]
    assert (trace.names, trace.parents, trace.limit_s) == (["train, big", "eval"], [(), (0,)], [60, None])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrival_s,run_s,cpu\n0,10,1\n1,abc,1\n", r":3:3: run_s 'abc' is not a number"),
        ("arrival_s,run_s,cpu\n0,-10,1\n", r":2:3: run_s '-10' is below 0"),
        ("arrival_s,run_s,cpu\n0\n", r":2:\d+: run_s the row is too short"),
        ("job_id,submit_s,duration_s,cores\n1,5,6,1.5\n", r":2:7: cores '1.5' is not a whole number."),
        ("ms,event,node\n0,add,a\n5,explode,a\n", r":3:3: event 'explode' is neither"),
        ("ms,event,node\n0,remove,a\n", r":2:10: node 'a' does not exist"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nnoon,1,2\n", r":2:1: TIMESTAMP 'noon' is not a time"),
        ("colour,shape\nred,round\n", r":1:1: 'colour,shape' is not the first line of a known trace format"),
        ('{"tasks": [{"id": "a", "runtimeInSeconds": "x"}]}', r"tasks\[a\].runtimeInSeconds: 'x'"),
        ('{"tasks": [', r":1:\d+: This is not valid JSON"),
        ("arrival_s,run_s,cpu\n", "the file has no job"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        read_trace(_file(tmp_path, text))


def test_bad_rows_can_be_left_out_and_are_listed(tmp_path: Path) -> None:
    text = "arrival_s,run_s,cpu\n0,10,1\n1,abc,1\n2,,1\n3,10,1\n"
    trace = read_trace(_file(tmp_path, text), skip_bad=True)
    assert len(trace) == 2
    assert [":3:3:" in trace.skipped[0], ":4:3:" in trace.skipped[1]] == [True, True]


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"arrival_s,run_s,cpu\n" + b"0,1,1\n" * 100_000)[:300])
    with pytest.raises(TraceError, match="damaged"):
        read_trace(path, "csv")


def test_circles_and_missing_parents_are_refused(tmp_path: Path) -> None:
    head = "id,arrival_s,run_s,cpu,parents\n"
    with pytest.raises(TraceError, match="depends on itself through other jobs"):
        read_trace(_file(tmp_path, head + "a,0,1,1,b\nb,0,1,1,a\n"))
    with pytest.raises(TraceError, match="'c', which does not exist"):
        read_trace(_file(tmp_path, head + "a,0,1,1,c\n"))


def test_the_format_may_be_named_and_a_slip_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="Did you mean 'surf'"):
        read_trace(_file(tmp_path, "x"), "surff")
    assert list(FORMATS)[-1] == "csv"


def test_limit_takes_the_first_jobs() -> None:
    assert len(read_trace(EXCERPTS / "surf.csv.gz", limit=7)) == 7


def _file(folder: Path, text: str) -> Path:
    path = folder / "trace"
    path.write_text(text)
    return path
