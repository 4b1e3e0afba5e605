"""Files of jobs, of items to pack and of settings: the same encodings, quotes and numbers as everywhere, and never another meaning."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from herder.cli.input.job_files import JobFile, read_jobs
from herder.cli.input.pack_files import read_items, read_templates
from herder.cli.shell.exit_codes import CommandError
from herder.settings import SettingsError
from herder.settings.load import load
from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.json_text import read_json

MARKED = ["utf-8", "utf-8-sig", "utf-16"]


def jobs(folder: Path, name: str, content: str | bytes) -> JobFile:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_jobs(str(path))


def refused(folder: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(CommandError) as caught:
        jobs(folder, name, content)
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize("codec", MARKED)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("j.json", '[{"command": ["é"]}]'),
        ("j.jsonl", '{"command": ["é"]}\n{"command": ["é"]}\n'),
        ("j.yaml", "jobs:\n- command: [é]\n"),
        ("j", '{"command": ["é"]}\n{"command": ["é"]}\n'),
    ],
)
def test_jobs_in_every_encoding_with_a_mark(tmp_path: Path, codec: str, name: str, text: str) -> None:
    assert {job.command[0] for job in jobs(tmp_path, name, text.encode(codec)).jobs} == {"é"}


def test_jobs_that_are_no_text_are_refused_at_their_place(tmp_path: Path) -> None:
    said = refused(tmp_path, "j.yaml", "jobs:\n- command: [é]\n".encode("latin-1"))
    assert said == "j.yaml:2:13: The byte 0xe9 is not valid UTF-8."


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_lines_of_json_end_at_a_newline_and_nowhere_else(tmp_path: Path, char: str) -> None:
    words = ["echo", f"a{char}b"]
    lines = [json.dumps({"command": ["true"]}), json.dumps({"command": words}, ensure_ascii=False)]
    for name in ("j.jsonl", "j"):
        assert [job.command for job in jobs(tmp_path, name, "\r\n".join(lines)).jobs] == [["true"], words]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("j.json", '[{"command": ["a"],\n  "retries": 1, "retries": 2}]', "j.json:2:17: The name 'retries' occurs"),
        ("j.jsonl", '{"command": ["a"]}\n{"env": {"A": "1", "A": "2"}}', "j.jsonl:2:20: The name 'A' occurs twice"),
        ("j.json", '{"jobs": [], "jobs": [{"command": ["a"]}]}', "j.json:1:14: The name 'jobs' occurs twice"),
        ("j.yaml", "- command: [a]\n  cpu: 1\n  cpu: 2\n", "j.yaml:3:3: [0].cpu: The name occurs twice"),
        ("j.yaml", "- command: [a]\n  timeout: .nan\n", "j.yaml:2:12: [0].timeout: .nan is not a number"),
        ("j.yaml", "- command: [a]\n  timeout: -.inf\n", "j.yaml:2:12: [0].timeout: -.inf is not a number"),
        ("j.yaml", "- command: [a]\n  gpu: 1e300\n", "j.yaml: job 0: gpu: 1e+300 is too large"),
        ("j.json", '[{"command": ["a"], "timeout_s": NaN}]', "j.json:1:34: NaN is not a number"),
        ("j.json", '[{"command": ["a"], "gpu": 1e300}]', "j.json: job 0: gpu: 1e+300 is too large"),
        ("j.json", '[{"command": ["a"], "gpu": 1e999}]', "j.json: job 0: gpu: inf is not a usable number"),
        ("j.yaml", "- {command: [a], timeout: 1e300s}\n", "j.yaml: job 0: timeout: '1e300s' is longer"),
        ("j.yaml", "jobs: []\n---\njobs: []\n", "j.yaml:3:1: A second YAML document begins here."),
        ("j.json", '[{"command": ["a"]}', "j.json:1:20: This is not valid JSON"),
        ("j.json", '[{"command":\n["\\ud83d"]}]', "j.json:2:3: \\ud83d is not a character."),
        ("j.jsonl", r'{"command": ["\ud83d\ude00\udc00"]}', "j.jsonl:1:27: \\udc00 is not a character."),
        ("j.yaml", '- command:\n  - "a\\ud83d"\n', "j.yaml:2:5: [0].command[0]: \\ud83d is not a character."),
        ("j.json", '[{"retries": ' + "9" * 5000 + "}]", "j.json:1:14: The number has too many digits."),
    ],
)  # fmt: skip
def test_jobs_that_could_mean_something_else_are_refused(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    assert refused(tmp_path, name, text).startswith(said)


def test_ids_of_jobs_are_text(tmp_path: Path) -> None:
    text = "- {name: 010, command: [a]}\n- {name: 1.10, command: [a], parents: [010, 0], env: {V: 1.10}, cpu: 1.50, gpu: 0.50}\n"
    first, second = jobs(tmp_path, "j.yaml", text).jobs
    assert (first.key, second.key, second.parents, second.env) == ("010", "1.10", ["010", 0], {"V": "1.10"})
    assert (second.cpu, second.gpu) == ("1.50", 0.5)


def test_a_name_that_stands_twice_is_found_anywhere_in_a_large_file() -> None:
    row = {"command": ["echo", "hello"], "key": "k", "env": {"A": "b"}, "cpu": 0.5, "timeout_s": 60}
    text = json.dumps([row] * 50_000)
    assert len(read_json(text)) == 50_000
    with pytest.raises(Unreadable, match="twice"):
        read_json(text[:-1] + ',{"a": 1, "a": 1}]')


# --- items and templates of `pack` ----------------------------------------------------------------------------------------

ITEMS = 'id,cpu_milli,memory_mib,count\n"a, b",500,1024,2\n010,500,1024,\n1.10,5,5,\n'
TEMPLATES = "- {name: 010, cpu_milli: 8000, memory_mib: 32768, price_per_hour: 0.10}\n- {name: 1.10, cpu_milli: 1, memory_mib: 1, price_per_hour: $0.30}\n"


@pytest.mark.parametrize("codec", MARKED)
def test_items_and_templates_in_every_encoding_with_a_mark(tmp_path: Path, codec: str) -> None:
    (tmp_path / "items").write_bytes(ITEMS.encode(codec))
    (tmp_path / "templates").write_bytes(TEMPLATES.encode(codec))
    assert [(row.id, row.count) for row in read_items(tmp_path / "items")] == [
        ("a, b", 2),
        ("010", 1),
        ("1.10", 1),
    ]
    rows = read_templates(tmp_path / "templates")
    assert [(row.name, row.price_pico_per_hour) for row in rows] == [("010", 10**11), ("1.10", 3 * 10**11)]


def test_items_with_other_separators_and_cells_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "items"
    path.write_text(ITEMS.replace("a, b", "a\nb").replace(",", ";"))
    assert read_items(path)[0].id == "a\nb"
    path.write_text(ITEMS.replace("a, b", "a\nb") + "x,many,1,1\n")
    with pytest.raises(CommandError, match=r"items:6:3: cpu_milli is 'many'"):
        read_items(path)
    path.write_text("id,cpu_milli,memory_mib,id\na,1,1,b\n")
    with pytest.raises(CommandError, match=r"items:1:25: The column 'id' occurs twice."):
        read_items(path)


def test_items_and_jobs_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ITEMS.encode("utf-16"))))
    assert len(read_items(Path("-"))) == 3
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id,cpu_milli,memory_mib\na,x,1\n")))
    with pytest.raises(CommandError, match=r"stdin:2:3: cpu_milli"):
        read_items(Path("-"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf- command: [a]\n")))
    assert len(read_jobs("-").jobs) == 1


@pytest.mark.parametrize("value", ["nan", ".inf", "1e300", "1_000", "'0x10'", "-1", "1.5"])
def test_templates_with_numbers_that_are_none(tmp_path: Path, value: str) -> None:
    path = tmp_path / "templates"
    path.write_text(f"- {{name: a, cpu_milli: {value}, memory_mib: 1, price_per_hour: 1}}\n")
    with pytest.raises(CommandError, match=r"templates:1:24: cpu_milli is"):
        read_templates(path)


# --- settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", MARKED)
def test_settings_in_every_encoding_with_a_mark(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = "drivers: {local: {}}\npools: {p: {driver: local, templates: [small]}}\n".encode(codec)
    path = tmp_path / "herder.yaml"
    path.write_bytes(data)
    assert [pool.name for pool in load([path]).pools] == ["p"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    found = load(["-"])
    assert (found.files, [pool.name for pool in found.pools]) == (("stdin",), ["p"])


def test_settings_in_json_with_a_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "herder.json"
    path.write_text('{"users": {"a": {"role": "user"},\n "a": {"role": "administrator"}}}')
    with pytest.raises(SettingsError, match=r"herder.json:2:2: .*twice"):
        load([path])


@pytest.mark.parametrize(
    "text",
    [
        "pools: {p: {driver: local, templates: [small], min_workers: 1_0, max_workers: 20}}",
        "pools: {p: {driver: local, templates: [small], max_workers: 1e300}}",
        "templates: {t: {cpu: 1_0, memory: 1Gi, price_per_hour: 1}}",
        "templates: {t: {cpu: .inf, memory: 1Gi, price_per_hour: 1}}",
        "templates: {t: {cpu: 1, memory: 1_0Gi, price_per_hour: 1}}",
        "templates: {t: {cpu: 1, memory: 1Gi, price_per_hour: .nan}}",
        "templates: {t: {cpu: 1, memory: 1Gi, price_per_hour: 1_0}}",
        "pools: {p: {driver: local, templates: [small], idle_timeout: 1_0m}}",
        "users: {a: {role: user, weight: 1_0}}",
    ],
)
def test_settings_with_numbers_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "herder.yaml"
    path.write_text(f"drivers: {{local: {{}}}}\n{text}\n")
    with pytest.raises(SettingsError, match=r"herder.yaml:2:\d+: "):
        load([path])
