"""The jobs' count and the recount are written apart; they must say the same of every file, and differ when one is wrong."""

import json
import sys
from pathlib import Path

import pytest

from herder.cli.shell.exit_codes import Code, CommandError
from herder.demo.count import count_file
from herder.demo.lexer import count_tokens
from herder.demo.merge import merge
from herder.demo.recount import Recount, count_again
from herder.demo.source import PART_BYTES, deal, survey
from herder.demo.summary import judge
from herder.demo.work import Outcome
from herder.wire.api.resources import Status
from herder.wire.api.work import BatchView, JobView


def test_both_counts_agree_on_the_tree_and_on_this_repository(tree: Path) -> None:
    own = sorted(Path(json.__file__).parent.glob("*.py")) + sorted(
        Path(__file__).parents[2].glob("src/herder/d*/*.py")
    )
    counts, again = {}, Recount()
    for path in [*sorted(tree.rglob("*.py")), *own]:
        counts[str(path)] = count_file(path)
        again.by_file[str(path)] = count_again(path)
        other = again.by_file[str(path)]
        assert tuple(counts[str(path)].values()) == (
            other.sha256, other.size_bytes, other.lines, other.tokens, other.nodes,
        ), path  # fmt: skip
    totals = merge(counts)
    assert totals == again.totals()
    assert totals["unparsed"] == 1
    assert totals["tokens"] > 1000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("# only a comment", 0),
        ("a+=1", 3),
        ("x = 1if y else.5j", 7),
        ("a[...]->b:=c", 8),
        ("'''it's''' \"\\\"\" rb'\\''", 3),
        ("f'{a!r:>{w}} {{}} {b[\"k\"]}' + 1", 3),
        ("f'\\N{DASH}{x}' rf'\\{x}' f''", 3),
        ("é = b'' \\\n  ;", 4),
    ],
)
def test_the_lexer_counts_names_numbers_strings_and_operators(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@pytest.mark.skipif(sys.version_info < (3, 12), reason="nested quotes are valid from Python 3.12 on")
def test_nested_quotes_of_newer_pythons(tmp_path: Path) -> None:
    path = tmp_path / "new.py"
    path.write_text("f'{d['a']} {f'{1}'}'\n")
    assert count_again(path).tokens == count_file(path)["tokens"] == 1


def test_a_string_without_end_is_no_python() -> None:
    with pytest.raises(ValueError, match="does not end"):
        count_tokens("x = 'abc")


def test_groups_hold_every_file_once_and_are_dealt_evenly(tmp_path: Path) -> None:
    for name in (
        "a/x.py",
        "a/y.py",
        "b/z.py",
        "one.py",
        "two.py",
        "a/__pycache__/no.py",
        "site-packages/no.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#" * (PART_BYTES // 2 + 1) if name.startswith("a/") else "x")
    found = survey(tmp_path)
    assert {group.key: group.files for group in found.groups} == {
        "one–two.py": ("one.py", "two.py"),
        "a 1/2": ("a/x.py",),
        "a 2/2": ("a/y.py",),
        "b": ("b/z.py",),
    }
    dealt = deal(found.groups, ("analytics", "research"))
    assert sorted(group.key for groups in dealt.values() for group in groups) == [
        "a 1/2",
        "a 2/2",
        "b",
        "one–two.py",
    ]
    assert all(any(group.key.startswith("a ") for group in groups) for groups in dealt.values())


def test_an_empty_and_a_missing_folder_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There are no Python files in") as empty:
        survey(tmp_path)
    assert empty.value.code is Code.USAGE
    assert "--input" in empty.value.hint or "Give a folder" in empty.value.hint
    with pytest.raises(CommandError, match="There is no folder"):
        survey(tmp_path / "nowhere")


def test_every_difference_and_every_failed_job_is_named() -> None:
    own = Recount()
    own.by_file["a.py"] = count_again(Path(__file__))
    good = own.totals()
    assert judge(outcome_with("succeeded", good), {"analytics": own}).good
    wrong = judge(outcome_with("succeeded", {**good, "tokens": good["tokens"] + 1}), {"analytics": own})
    assert wrong.problems == (
        f"analytics: the merge has {good['tokens'] + 1:,} tokens, the recount has {good['tokens']:,}",
    )
    failed = judge(outcome_with("failed", None), {"analytics": own})
    assert failed.problems == (
        "batch 1 of analytics failed: 1 job did not succeed",
        "job 7 (merge) failed: exit_code exit code 1",
        "the merge of analytics has no result",
    )


def outcome_with(state: str, merged: dict[str, object] | None) -> Outcome:
    at = "2026-01-01T00:00:00.000Z"
    job = JobView(
        id=7, batch=1, key="merge", user="analytics", project="demo", state=state, pool="highmem", priority=0,
        runtime="process", cpu_milli=250, memory_mib=1024, disk_mib=0, gpu=0, attempts=1, exit_code=1,
        cause="exit_code", message="exit code 1", created_at=at, ready_at=at, started_at=at, ended_at=at,
    )  # fmt: skip
    batch = BatchView(
        id=1, name="", user="analytics", project="demo", state=state, jobs=1, counts={}, cost_usd="0",  # type: ignore[arg-type]
        created_at=at, committed_at=at, ended_at=at, attributes={},
    )  # fmt: skip
    status = Status(
        version="", now=at, started_at=at, jobs={}, pools=[], workers={}, spend_usd="0", spend_by_user={},
        price_per_hour_usd="0", recent_failures=[],
    )  # fmt: skip
    return Outcome(
        batches={"analytics": batch},
        jobs={"analytics": [job]},
        merged={"analytics": merged},
        workers=[],
        status=status,
        why_worker=None,
        why_waited=None,
    )
