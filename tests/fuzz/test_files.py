"""Readers of files: whatever is in a file, it is read or refused, with the file and what is wrong, and never ends in a traceback."""

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import herder.simulate
from herder.agent.processes.scratch import Scratch
from herder.cli.input import pack_files
from herder.cli.input.job_files import read_jobs
from herder.cli.shell.exit_codes import CommandError
from herder.settings import SettingsError
from herder.settings.load import load
from herder.simulate.traces import FORMATS, read_trace
from herder.simulate.traces.rows import TraceError
from herder.simulate.world.inventory import templates_of
from tests.fuzz.cases import cases, files, no_longer

EXCERPTS = Path(herder.simulate.__file__).parent / "excerpts"

SETTINGS = b"""
server: {listen: "127.0.0.1:8765", data_dir: /tmp/x, max_connections: 10}
drivers:
  local: {machine: {cpu: 4, memory: 8Gi}}
templates:
  small: {cpu: 2, memory: 4Gi, disk: 10Gi, price_per_hour: "0.10"}
pools:
  burst:
    driver: local
    templates: [small, {name: big, cpu: 500m, memory: 512Mi, price_per_hour: 1, labels: {a: b}}]
    min_workers: 0
    max_workers: 6
    idle_timeout: 10m
    schedules:
      - {cron: "0 9 * * mon-fri", duration: 9h, timezone: Europe/Berlin, min_workers: 2}
users:
  ann: {role: operator, weight: 3, quota: {jobs: 5}}
projects:
  research: {quota: {cpu: 10}}
priority_classes:
  urgent: {value: 10}
fair_share: {ageing: {half_after: 5m}}
metric_sources:
  prom: {url: "http://127.0.0.1:9090", timeout: 3s}
"""
JOBS_YAML = b"""
name: nightly
attributes: {a: 1}
jobs:
  - {command: [echo, hello], cpu: 500m, memory: 64Mi, name: a, env: {A: b}}
  - {command: [echo, there], timeout: 5s, retries: 2, parents: [a], priority: 3}
"""
JOBS_JSON = (
    b'[{"command": ["echo"], "cpu": 1, "memory": "64Mi", "select": {"a": "b"}, "gpu": 0.5, "timeout": "5m"}]'
)
JOBS_LINES = b'{"command": ["echo"]}\n\n{"command": ["true"], "name": "b", "sleep_ms": 5}\n'
ITEMS = b'id,cpu_milli,memory_mib,disk_mib,gpu,count\nweb,500,1024,,,40\n"d,b",2000,16384,0,0,3\n'
TEMPLATES = b"""
- {name: small, cpu_milli: 8000, memory_mib: 32768, disk_mib: 0, gpu: 0, pods: 110, price_per_hour: 0.38}
- {name: tiny, cpu_milli: 2000, memory_mib: 8192, price_per_hour: "0.1", limit: 3}
"""
CSV = b'id,arrival_s,run_s,cpu,memory_mib,gpu,user,name,limit_s,parents\na,5,10,0.5,100,,ann,"train, big",60,\nb,5,10,1,100,0.25,ann,eval,,a\n'
SWF = (
    b"; Version: 2.2\n; Computer: a test\n1 0 5 100 4 -1 -1 4 200 1024 1 7 1 3 1 -1 -1 -1\n"
    b"2 10 5 -1 4 -1 -1 4 200 -1 0 7 1 3 1 -1 -1 -1\n"
)
WORKFLOW = json.dumps(
    {
        "name": "w",
        "schemaVersion": "1.5",
        "workflow": {
            "specification": {"tasks": [{"name": "t", "id": "t1", "parents": [], "children": []}]},
            "execution": {"tasks": [{"id": "t1", "runtimeInSeconds": 5, "coreCount": 1}]},
        },
    }
).encode()


def _head(path: Path, lines: int = 12) -> bytes:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return b"\n".join(data.splitlines()[:lines])


EXCERPT_HEADS = [
    _head(path) for path in sorted(EXCERPTS.iterdir()) if path.is_file() and "wfformat" not in path.name
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def refusal(read: Callable[[], object], *family: type[Exception]) -> str:
    """What a reader says against a file; empty when it was read. Anything but the family fails the test."""
    with no_longer():
        try:
            read()
        except family as error:
            return str(error)
    return ""


@cases(250)
@given(data=files(SETTINGS))
def test_settings(folder: Path, data: bytes) -> None:
    path = folder / "herder.yaml"
    path.write_bytes(data)
    said = refusal(lambda: load([path]), SettingsError)
    assert all("herder.yaml" in line for line in said.splitlines()[:1])


@cases(200)
@given(
    data=files(JOBS_YAML, JOBS_JSON, JOBS_LINES),
    name=st.sampled_from(["jobs.yaml", "jobs.json", "jobs.jsonl", "jobs"]),
)
def test_jobs(folder: Path, data: bytes, name: str) -> None:
    path = folder / name
    path.write_bytes(data)
    said = refusal(lambda: read_jobs(str(path)), CommandError)
    assert not said or name in said


@cases(120)
@given(items=files(ITEMS), templates=files(TEMPLATES))
def test_packing(folder: Path, items: bytes, templates: bytes) -> None:
    for name, data, read in (
        ("items.csv", items, pack_files.read_items),
        ("workers.csv", items, pack_files.read_workers),
        ("templates.yaml", templates, pack_files.read_templates),
    ):
        path = folder / name
        path.write_bytes(data)
        said = refusal(partial(read, path), CommandError)
        assert not said or name in said


@cases(350)
@given(
    data=files(CSV, SWF, WORKFLOW, *EXCERPT_HEADS),
    format_name=st.sampled_from([None, None, None, *FORMATS]),
    name=st.sampled_from(["trace", "trace.csv", "trace.json", "trace.gz"]),
    skip_bad=st.booleans(),
    limit=st.sampled_from([None, 1]),
)
def test_traces(
    folder: Path, data: bytes, format_name: str | None, name: str, skip_bad: bool, limit: int | None
) -> None:
    path = folder / name
    path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") and len(data) % 4 else data)
    said = refusal(lambda: read_trace(path, format_name, skip_bad=skip_bad, limit=limit), TraceError)
    assert not said or name in said


@cases(60)
@given(data=files(ITEMS, *EXCERPT_HEADS))
def test_machines(folder: Path, data: bytes) -> None:
    path = folder / "machines.csv"
    path.write_bytes(data)
    said = refusal(lambda: templates_of(path), TraceError)
    assert not said or "machines.csv" in said


@cases(80)
@given(data=files(b'{"a": [1, 2, {"b": null}], "c": "text"}', b"[1, 2.5, true]"))
def test_results(folder: Path, data: bytes) -> None:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    scratch = Scratch(work, 1, 1, 10_000)
    try:
        Path(scratch.result_path).write_bytes(data)
        with no_longer():
            result, wrong = scratch.result()
        assert wrong or bytes(result) == data
    finally:
        scratch.close()
        scratch.remove()
