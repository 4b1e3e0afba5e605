"""The tables of the page about performance: made by one command, a case at a time, and not by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.traces import tables, write
from bench.traces.cases import CASES, FIXED, POLICIES, SOURCES, chosen_cases
from bench.traces.tables import Files, section
from bench.traces.write import BEGIN, END, PageError, sections_of, with_sections
from herder.simulate.bounds.relaxation import Limits

EMPTY = f"# Page\n\n{BEGIN}\n{END}\n\nAfter.\n"
ROOT = Path(__file__).parents[2]


def run(*words: str) -> tuple[int, str]:
    import typer

    app = typer.Typer()
    app.command()(write.tables)
    found = CliRunner().invoke(app, list(words), env={"HERDER_TRACES": ""})
    return found.exit_code, found.stderr


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.md"
    file.write_text(EMPTY)
    return file


def test_every_case_of_the_excerpts_has_its_table(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BOUND_LIMITS", Limits(columns=500))
    monkeypatch.setattr(tables, "POLICIES", ("first_fit",))
    status, said = run("--page", str(page), "--limit", "15")
    assert status == 0, said
    found = sections_of(page.read_text())
    assert set(found) == {case.name for case in CASES if case.inventory is None}
    for case in CASES:
        expected = 1 + len(case.more) + len(FIXED) * case.fixed if case.inventory is None else 0
        assert len(_rows(found.get(case.name, ""))) == expected, case.name


def test_every_policy_has_a_row(page: Path) -> None:
    assert run("--page", str(page), "--only", "genome", "--limit", "15")[0] == 0
    rows = _rows(sections_of(page.read_text())["genome"])
    assert [row.split("|")[1].strip() for row in rows[:-2]] == list(POLICIES)
    assert all(float(row.split("|")[2]) >= 1 for row in rows)


def _rows(section_text: str) -> list[str]:
    return [line for line in section_text.splitlines() if line.startswith("| ")][2:]


def test_one_case_leaves_the_others_as_they_are(page: Path) -> None:
    assert run("--page", str(page), "--only", "rnaseq", "--limit", "10")[0] == 0
    first = sections_of(page.read_text())
    assert run("--page", str(page), "--only", "spot_events", "--limit", "10")[0] == 0
    both = sections_of(page.read_text())
    assert list(both) == ["spot_events", "rnaseq"]
    assert both["rnaseq"] == first["rnaseq"]
    assert page.read_text().endswith("\n\nAfter.\n")


def test_a_stopped_run_is_gone_on_with(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--page", str(page), "--only", "genome", "--limit", "10")[0] == 0
    asked: list[str] = []
    monkeypatch.setattr(tables, "section", lambda case, *_: asked.append(case.name) or f"### {case.name}")
    assert run("--page", str(page), "--missing")[0] == 0
    assert "genome" not in asked
    assert len(asked) == len(CASES) - 1
    assert set(sections_of(page.read_text())) == {case.name for case in CASES}


def test_what_was_changed_by_hand_is_found() -> None:
    page = with_sections(EMPTY, {"surf": "### surf\n\n| a |"})
    assert sections_of(page) == {"surf": "### surf\n\n| a |"}
    with pytest.raises(PageError, match="make tables ONLY=surf"):
        sections_of(page.replace("| a |", "| b |"))


def test_a_page_without_a_place_and_an_unknown_case_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# Page\n")
    status, said = run("--page", str(file), "--only", "rnaseq", "--limit", "5")
    assert status == 2
    assert "put these two lines into it" in said
    status, said = run("--page", str(file), "--only", "surff")
    assert status == 2
    assert "there is no trace 'surff'" in said


def test_a_trace_names_all_its_cases() -> None:
    assert [case.name for case in chosen_cases(["openb"])] == ["openb", "openb-sizes", "openb-machines"]


def test_machines_are_templates_where_the_folder_has_them(tmp_path: Path) -> None:
    pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,qos,creation_time,deletion_time\n"
    (tmp_path / "openb-pods.csv.gz").write_text(
        pods + "a,1000,1024,1,500,LS,0,900\nb,1000,1024,0,0,LS,5,900\n"
    )
    (tmp_path / "openb-nodes.csv.gz").write_text("sn,cpu_milli,memory_mib,gpu,model\nx,8000,8192,2,T4\n")
    case = next(case for case in CASES if case.inventory)
    said: list[str] = []
    text = section(case, Files(tmp_path), said.append)
    assert text is not None
    assert "2 jobs that arrive" in text
    assert len(said) == len(POLICIES)
    assert section(case, Files(None), said.append) is None


def test_the_page_in_the_repository_was_written_by_the_command() -> None:
    found = sections_of((ROOT / "docs/performance.md").read_text(encoding="utf-8"))
    assert found
    assert set(found) <= {case.name for case in CASES}


def test_every_shipped_source_is_there() -> None:
    assert all(Files(None).find(name) is None or Files(None).find(name).is_file() for name in SOURCES)  # type: ignore[union-attr]
