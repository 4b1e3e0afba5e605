"""Traces as people have them: whatever their encoding, separators, quotes and version, they are read as meant or refused at a place."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from herder.simulate.traces import read_trace
from herder.simulate.traces.rows import TraceError
from herder.simulate.traces.trace import Trace
from herder.simulate.world.inventory import templates_of
from tests.simulate.small import EXCERPTS

HEAD = "id,arrival_s,run_s,cpu,user,parents\n"
ROWS = HEAD + 'a,0,10,1,"Ann, Bob",\nb,5,20,0.5,José,a\n'
SWF = "1 0 5 100 4 -1 -1 4 200 1024 1 7 1 3 1 -1 -1 -1\n2 9 5 50 -1 -1 -1 2 -1 -1 1 8 1 3 1 -1 -1 -1\n"


def read(folder: Path, content: str | bytes, **more: object) -> Trace:
    path = folder / "trace"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_trace(path, **more)  # type: ignore[arg-type]


def refused(folder: Path, content: str | bytes, **more: object) -> str:
    with pytest.raises(TraceError) as caught:
        read(folder, content, **more)
    return str(caught.value).removeprefix(str(folder))


# --- encodings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_encoding_with_a_mark_is_read(tmp_path: Path, codec: str, packed: bool) -> None:
    data = ROWS.encode(codec)
    trace = read(tmp_path, gzip.compress(data) if packed else data)
    assert (trace.format, trace.users, trace.parents) == ("csv", ["Ann, Bob", "José"], [(), (0,)])


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_a_mark_before_swf_and_json(tmp_path: Path, codec: str) -> None:
    assert read(tmp_path, SWF.encode(codec)).run_s == [100, 50]
    tasks = {"tasks": [{"id": "é", "runtimeInSeconds": 3, "parents": []}]}
    assert read(tmp_path, json.dumps(tasks, ensure_ascii=False).encode(codec)).run_s == [3]


def test_what_is_no_text_is_refused_at_its_place_or_left_out(tmp_path: Path) -> None:
    data = ROWS.encode("latin-1")
    assert refused(tmp_path, data).startswith("/trace:3:15: The byte 0xe9 is not valid UTF-8. Save the file")
    trace = read(tmp_path, data, skip_bad=True)
    assert (len(trace), len(trace.skipped)) == (1, 1)
    said = refused(tmp_path, ROWS.encode("utf-16-le"))
    assert "NUL byte" in said
    assert "UTF-16 without a byte order mark" in said


# --- rows ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        HEAD.replace("user", '"user"') + 'a,0,10,1,"Ann, Bob",\nb,5,20,0.5,José,a\n',
        ROWS.replace("\n", "\r\n"),
        ROWS.replace(",", ", ").replace("Ann,  Bob", "Ann, Bob"),
        ROWS.replace("Ann, Bob", "Ann; Bob").replace(",", ";").replace("Ann; Bob", "Ann, Bob"),
        ROWS.replace('"Ann, Bob"', "Ann@ Bob").replace(",", "\t").replace("@", ","),
        ROWS.replace("\n", "\n\n") + ",,,,,,,\n",
    ],
    ids=["quoted header", "crlf", "spaces", "semicolons", "tabs", "empty rows"],
)
def test_separators_and_quotes(tmp_path: Path, text: str) -> None:
    trace = read(tmp_path, text)
    assert (trace.users, trace.parents, trace.run_s) == (["Ann, Bob", "José"], [(), (0,)], [10, 20])


def test_a_newline_in_a_quoted_cell_is_part_of_it_and_later_places_are_right(tmp_path: Path) -> None:
    text = HEAD + 'a,0,10,1,"Ann\nand Bob",\nb,5,many,1,"x\ny",a\n'
    assert refused(tmp_path, text).startswith("/trace:4:5: run_s 'many' is not a number")
    assert read(tmp_path, text.replace("many", "7")).users == ["Ann\nand Bob", "x\ny"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "a,0,10,1,u,,x\n", ":2:13: 7 cells are more than the 6 columns of the header."),
        (HEAD + "a,0,10,1,Ann, Bob,\n", ":2:19: 7 cells are more than the 6 columns of the header."),
        ("id,arrival_s,run_s,cpu,run_s\na,0,1,1,2\n", ":1:24: The column 'run_s' occurs twice."),
        (HEAD + 'a,0,10,1,"u,\nb,0,10,1,u,\n', ":2:1: A quote in this row is not closed."),
        (HEAD + 'a,0,10,1,"u" x,\n', ":2:1: There is text after a closing quote."),
        (ROWS.replace("\n", "\r"), ":1:1: The row contains a carriage return."),
    ],
)
def test_rows_that_could_mean_something_else_are_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text, format_name="csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "a,0,10,1,Ann, Bob,\nb,1,2,3,u,\n", ":2:19: 7 cells"),
        (HEAD + 'a,0,10,1,"u" x,\nb,1,2,3,u,\n', ":2:1: There is text"),
        (HEAD + "a,0,10\nb,1,2,3,u,\n", ":2:7: cpu the row is too short"),
    ],
)
def test_rows_that_are_no_rows_can_be_left_out(tmp_path: Path, text: str, said: str) -> None:
    trace = read(tmp_path, text, skip_bad=True)
    assert (trace.run_s, len(trace.skipped)) == ([2], 1)
    assert said in trace.skipped[0]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "infinity", "1e300", "1e9999", "1_000", "٣", "0x10"])
@pytest.mark.parametrize("column", ["arrival_s", "run_s", "cpu", "memory_mib", "gpu", "limit_s"])
def test_numbers_that_are_none_are_refused_with_their_place(tmp_path: Path, column: str, value: str) -> None:
    names = ["id", "arrival_s", "run_s", "cpu", "memory_mib", "gpu", "limit_s"]
    cells = ["a", "0", "10", "1", "1", "1", "60"]
    at = names.index(column)
    cells[at] = value
    text = f"{','.join(names)}\n{','.join(cells)}\nb,0,10,1,1,1,60\n"
    place = sum(len(cell) + 1 for cell in cells[:at]) + 1
    said = refused(tmp_path, text)
    assert said.startswith(f"/trace:2:{place}: {column} {value!r} is ")
    assert len(said) < 200
    trace = read(tmp_path, text, skip_bad=True)
    assert (len(trace), len(trace.skipped)) == (1, 1)


def test_ids_are_text(tmp_path: Path) -> None:
    text = HEAD + "010,0,10,1,010,\n10,0,10,1,10,010\n1.10,0,10,1,1.10,10\n1.1,0,1,1,1.1,1.10\n"
    trace = read(tmp_path, text)
    assert (trace.users, trace.parents) == (["010", "10", "1.10", "1.1"], [(), (0,), (1,), (2,)])


# --- parents ------------------------------------------------------------------------------------------------------------

CHAIN = HEAD + "a,0,10,1,u,\nb,0,10,1,u,a d\nc,0,10,1,u,b\nd,0,10,1,u,\n"


def test_with_a_limit_only_parents_that_were_cut_off_are_forgotten(tmp_path: Path) -> None:
    assert read(tmp_path, CHAIN, limit=2).parents == [(), (0,)]
    said = refused(tmp_path, CHAIN.replace("a d", "a nobody"), limit=2)
    assert "job 'b' waits for 'nobody', which does not exist" in said


def test_without_bad_rows_only_their_children_forget_them(tmp_path: Path) -> None:
    text = CHAIN.replace("d,0,10", "d,0,many")
    trace = read(tmp_path, text, skip_bad=True)
    assert (trace.parents, len(trace.skipped)) == ([(), (0,), (1,)], 1)
    trace = read(tmp_path, text.replace("a d", "a nobody"), skip_bad=True)
    assert (trace.parents, len(trace), len(trace.skipped)) == ([], 2, 2)
    assert "job 'b' waits for 'nobody'" in trace.skipped[1]


# --- swf ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "\n" + SWF,
        "\n\n  ; Version: 2.2\n;\n" + SWF,
        "; Queue: a long description of it\n" * 1500 + SWF,
        SWF.replace(" -1\n", "\n"),
        SWF.replace(" -1\n", " -1 5 6 7\n"),
        SWF.replace("100 4", "1e2 4"),
        SWF.replace(" ", "\t  "),
        SWF.replace("\n", "\r\n"),
    ],
    ids=["empty first line", "indented", "long header", "17 fields", "21 fields", "exponent", "tabs", "crlf"],
)
def test_swf_as_archives_have_it(tmp_path: Path, text: str) -> None:
    trace = read(tmp_path, text)
    assert (trace.format, trace.run_s, trace.users) == ("swf", [100, 50], ["7", "8"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SWF + "3 9 5 50 4\n", ":3:1: A line of SWF has 18 fields, but this line has 5"),
        (SWF.replace("9 5 50", "9 5 fifty"), ":2:7: run_s 'fifty' is not a number"),
        (SWF.replace("9 5 50", "1e300 5 50"), ":2:3: submit_s '1e300' is above 1e+12"),
        (
            SWF.replace("100 4", "100 4000").replace("200 1024", "200 1e12"),
            ":1:28: req_memory_kib '1e12' for 4000 processors is more memory",
        ),
    ],
)
def test_swf_that_is_none_is_refused_or_left_out(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)
    trace = read(tmp_path, text, skip_bad=True)
    assert len(trace.skipped) == 1
    assert said in trace.skipped[0]


# --- workflows ----------------------------------------------------------------------------------------------------------


def workflow(version: str) -> dict[str, object]:
    """The same two tasks, a before b, as each version of the schema writes them."""
    if version in ("1.5", "1.6"):
        spec = [
            {"name": "split_1", "id": "split_1", "parents": [], "children": ["join_2"]},
            {"name": "join_2", "id": "join_2", "parents": ["split_1"], "children": []},
        ]
        run = [
            {"id": "split_1", "runtimeInSeconds": 5, "coreCount": 2, "memoryInBytes": 3_000_000},
            {"id": "join_2", "runtimeInSeconds": 7, "avgCPU": 150.0},
        ]
        flow: dict[str, object] = {"specification": {"tasks": spec}, "execution": {"tasks": run}}
    else:
        tasks: list[dict[str, object]] = [
            {"name": "split_1", "id": "ID1", "parents": [], "runtime": 5, "cores": 2, "memory": 3_000},
            {"name": "join_2", "id": "ID2", "parents": ["split_1"], "runtime": 7, "avgCPU": 150.0},
        ]
        for task in tasks:
            if version in ("1.0", "1.1"):
                del task["id"]
            if version == "1.4":
                task["runtimeInSeconds"] = task.pop("runtime")
                if "memory" in task:
                    task["memoryInBytes"] = 3_000_000
                    del task["memory"]
        flow = {"jobs" if version in ("1.0", "1.1", "1.2") else "tasks": tasks}
    return {"name": "w", "schemaVersion": version, "workflow": flow}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"])
def test_every_version_of_wfformat_is_the_same_work(tmp_path: Path, version: str) -> None:
    trace = read(tmp_path, json.dumps(workflow(version)))
    assert (trace.run_s, trace.parents, trace.names) == ([5, 7], [(), (0,)], ["split", "join"])
    assert [trace.shapes[shape][:2] for shape in trace.shape_of] == [(2000, 3), (2000, 0)]


def _task(task_id: str, **more: object) -> dict[str, object]:
    return {"id": task_id, "runtimeInSeconds": 1, **more}


def test_an_edge_that_only_the_parent_names_is_an_edge(tmp_path: Path) -> None:
    tasks = [_task("a", children=["b"]), _task("b")]
    assert read(tmp_path, json.dumps({"tasks": tasks})).parents == [(), (0,)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"tasks": [_task("a"), _task("a")]}), "two tasks are 'a'"),
        (
            json.dumps({"tasks": [_task("1", name="a"), _task("2", name="a"), _task("3", parents=["a"])]}),
            "tasks[3].parents: several tasks have the name 'a'. Write an id.",
        ),
        (json.dumps({"tasks": [_task("a", parents=[1.10])]}), "tasks[a].parents is not a list of names"),
        (json.dumps({"tasks": [_task("a", children=["z"])]}), "'a' has the child 'z', which does not exist"),
        (
            json.dumps({"tasks": [_task("a", runtimeInSeconds=1e300)]}),
            "tasks[a].runtimeInSeconds: 1e+300 is no",
        ),
        ('{"tasks": [{"id": "a", "runtimeInSeconds": NaN}]}', ":1:44: NaN is not a number"),
        (
            '{"tasks": [{"id": "a",\n "runtimeInSeconds": 1, "x": {"id": 1}, "id": "b"}]}',
            ":2:41: The name 'id' occurs twice in one object.",
        ),
        ('{"tasks": [],\n"tasks": []}', ":2:1: The name 'tasks' occurs twice in one object."),
    ],
)
def test_workflows_that_could_mean_something_else_are_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_parts_of_a_workflow_forget_only_what_was_cut_off(tmp_path: Path) -> None:
    tasks = [_task("a"), _task("b", parents=["a", "d"]), _task("c", parents=["b"]), _task("d")]
    assert read(tmp_path, json.dumps({"tasks": tasks}), limit=2).parents == [(), (0,)]
    tasks[3]["runtimeInSeconds"] = "x"
    assert read(tmp_path, json.dumps({"tasks": tasks}), skip_bad=True).parents == [(), (0,), (1,)]
    tasks[1]["parents"] = ["z"]
    assert "job 'b' waits for 'z'" in refused(tmp_path, json.dumps({"tasks": tasks[:3]}), limit=2)


# --- pipes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["surf.csv.gz", "wfformat-rnaseq.json.gz", "spot_count.csv.gz"])
def test_a_trace_through_a_pipe_and_through_stdin(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (EXCERPTS / name).read_bytes()
    whole = read_trace(EXCERPTS / name)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert read_trace(pipe).run_s == whole.run_s
    writer.join()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert read_trace(Path("-")).arrival_s == whole.arrival_s
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"colour\nred\n")))
    with pytest.raises(
        TraceError, match=r"^stdin:1:1: 'colour' is not the first line of a known trace format"
    ):
        read_trace(Path("-"))


def test_lists_of_machines_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "machines"
    path.write_bytes('"cpu_milli";"memory_mib";gpu\n4000;8192;0\n4000;8192;0\n'.encode("utf-16"))
    (template,) = templates_of(path)
    assert template.most == 2
    path.write_text("cpu_milli,memory_mib,gpu\n4000,nan,0\n")
    with pytest.raises(TraceError, match=r":2:6: memory_mib 'nan' is not a number"):
        templates_of(path)
