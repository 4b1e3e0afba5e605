"""Every command once against the fake server: what is printed, what is sent, and the exit code."""

import json
from pathlib import Path

import pytest

from herder.cli.shell.exit_codes import Code
from tests.cli.conftest import Herder
from tests.support.fake_api import FakeApi
from tests.support.wire_samples import batch, job, pool

POOL_LIST = """\
NAME        STATUS   READY   MIN   MAX   QUEUED   CPU USED      COST
burst       ok         2/2     0     5        0        25%   $0.5000
permanent   frozen     2/2     0     5        0        25%   $0.5000
"""


def test_a_list_as_table_name_csv_json_and_yaml(herder: Herder) -> None:
    assert herder("pool", "list").out == POOL_LIST
    bare = herder("pool", "list", "--no-headers").out.splitlines()
    assert [row.split() for row in bare] == [row.split() for row in POOL_LIST.splitlines()[1:]]
    assert (
        herder("-o", "name", "pool", "list").out
        == herder("pool", "list", "-o", "name").out
        == "burst\npermanent\n"
    )
    csv = herder("pool", "list", "-o", "csv").out.splitlines()
    assert csv[0] == (
        "name,status,ready,min_workers,max_workers,queued_jobs,cpu_used_percent,cost_usd,driver,desired,actual,in_flight,"
        "draining,template_names"
    )
    assert csv[1] == "burst,ok,2,0,5,0,25,0.5,local,2,2,0,0,small"
    data = json.loads(herder("pool", "list", "-o", "json").out)
    assert list(data) == ["api_version", "items"]
    assert data["api_version"] == "v1"
    assert data["items"][0]["cost_usd"] == "0.5", "money is a decimal string"
    yaml = herder("pool", "list", "-o", "yaml").out
    assert yaml.startswith("api_version: v1\nitems:\n- name: burst\n")
    assert "DRIVER" in herder("pool", "list", "-o", "wide").out


def test_one_thing_as_json_is_its_wire_form(herder: Herder) -> None:
    data = json.loads(herder("worker", "get", "burst-7-1", "-o", "json").out)
    assert data["api_version"] == "v1"
    assert data["name"] == "burst-7-1"
    assert data["requested_at"] == "2026-01-01T00:00:00Z"


def test_long_values_are_not_cut_in_a_pipe(api: FakeApi, herder: Herder) -> None:
    long = "p" * 300
    api.pools = {long: pool(long)}
    assert long in herder("pool", "list").out
    assert long in herder("pool", "list", "--color", "always").out


def test_foreign_text_cannot_move_the_cursor(api: FakeApi, herder: Herder) -> None:
    api.jobs = {17: job(17, key="a\x1b[2Jb\nc")}
    out = herder("job", "list").out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_colour_only_when_asked_for(herder: Herder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in herder("worker", "list").out
    assert "\x1b[32m" in herder("worker", "list", "--color", "always").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in herder("worker", "list").out


@pytest.mark.parametrize(
    ("noun", "hint"),
    [("pool", "herder apply"), ("worker", "herder pool scale"), ("job", "herder job submit")],
)
def test_empty_lists_say_which_command_to_type(api: FakeApi, herder: Herder, noun: str, hint: str) -> None:
    setattr(api, noun + "s", {})
    found = herder(noun, "list")
    assert found.out == ""
    assert hint in found.err
    assert json.loads(herder(noun, "list", "-o", "json").out)["items"] == []
    assert herder(noun, "list", "--quiet").err == ""


def test_status(herder: Herder) -> None:
    out = herder("status").out
    for text in (
        "2 workers, 2 running jobs",
        "burst",
        "5 ready, 2 running",
        "no capacity",
        "$1.2500",
        "alice",
    ):
        assert text in out
    assert json.loads(herder("status", "-o", "json").out)["workers"] == {"ready": 2, "terminated": 9}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["pool", "get", "burst"], "2 ready, 0 starting, 0 draining; 2 desired"),
        (["worker", "get", "burst-7-1"], "5 jobs wait (plan 7)"),
        (["worker", "list", "--pool", "burst"], "ready,cordoned"),
        (["worker", "console", "burst-7-1"], "boot ok"),
        (["worker", "logs", "burst-7-1"], "agent ok"),
        (["worker", "logs", "burst-7-1", "--service", "kubelet"], "kubelet ok"),
        (["worker", "operations", "burst-7-1"], "ZONE_FULL: no room"),
        (["batch", "list"], "night"),
        (["batch", "get", "3"], "3: 3 running"),
        (["job", "list"], "succeeded"),
        (["job", "get", "17"], "echo hello"),
        (["job", "logs", "17"], "wörld"),
        (["job", "explain", "17"], "64 GiB"),
        (["why", "job", "17"], "64 GiB"),
        (["why", "worker", "burst-7-1"], "- 5 jobs wait"),
        (["why", "pool", "burst"], "pool/burst: 2 workers, 3 wanted"),
        (["plan"], "create worker burst-9-1 in burst (small, $0.1200/h): 5 jobs wait"),
        (["plan", "get", "9"], "2 workers, 3 desired, 5 eligible queued jobs"),
        (["plan", "list"], "create worker burst-9-1"),
        (["events", "--limit", "2"], "event 5"),
        (["events", "--follow", "--limit", "3"], "event 3"),
        (["user", "list"], "operator"),
        (["pool", "freeze", "burst", "-m", "look"], "freeze done"),
        (["pool", "unfreeze", "burst"], "unfreeze done"),
        (["pool", "scale", "burst", "2", "--ttl", "90m"], "Pool burst adds burst-9-1, burst-9-2."),
        (["pool", "delete", "burst", "--yes"], "drains 2 workers"),
        (["worker", "cordon", "burst-7-1"], "cordon of burst-7-1"),
        (["worker", "add", "burst"], "HERDER_JOIN_TOKEN=j0in herder agent --server http://127.0.0.1:8765"),
        (["job", "retry", "17"], "Job 17 was submitted again as job 99."),
        (["job", "retry", "17", "--dry-run"], "1 job would be submitted. (dry run"),
        (["job", "wait", "--name", "n"], "Job 17 succeeded."),
        (["worker", "uncordon", "burst-7-1"], "uncordon of burst-7-1"),
        (["worker", "extend", "burst-7-1", "--by", "2h"], "extend of burst-7-1"),
        (["worker", "drain", "burst-7-1", "--yes"], "drain of burst-7-1"),
        (["worker", "remove", "burst-7-1", "--yes", "--force"], "remove of burst-7-1"),
        (["job", "cancel", "17", "--yes"], "job 17 cancelled"),
        (["batch", "cancel", "3", "--yes"], "batch 3 cancelled"),
        (["job", "submit", "--", "echo", "hello"], "Job 17 was submitted."),
        (["job", "submit", "--wait", "--", "echo", "hello"], "Job 17 succeeded."),
        (["job", "submit", "--follow", "--", "echo", "hello"], "wörld"),
        (["job", "wait", "17"], "Job 17 succeeded."),
        (["user", "create", "bob", "--role", "viewer"], "User bob was created with the role viewer."),
        (
            ["user", "set", "bob", "--role", "operator", "--weight", "2"],
            "User bob has role operator and weight 2.",
        ),
        (["user", "delete", "bob", "--yes"], "User bob was deleted."),
        (["user", "delete", "bob", "--dry-run"], "User bob would be deleted. (dry run"),
        (["token", "create", "bob"], "s3cret"),
        (["token", "create", "--expires", "30d", "--note", "laptop"], "s3cret"),
        (["token", "list"], "3f9a1c02be47"),
        (["token", "revoke", "3f9a1c02be47", "--yes"], "was revoked"),
        (["whoami"], "user (the user has role operator)"),
        (["config", "view", "--origin"], "HERDER_URL"),
        (["config", "schema"], "json-schema.org"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_that_go_well(herder: Herder, words: list[str], text: str) -> None:
    found = herder(*words)
    assert (found.code, text in found.out) == (0, True), found


def test_scale_sends_hours_and_the_message(api: FakeApi, herder: Herder) -> None:
    herder("pool", "scale", "burst", "2", "--ttl", "90m", "--template", "small", "-m", "demo", "--dry-run")
    assert api.calls[-1][2:] == (
        {"dry_run": "true"},
        {"workers": 2, "template": "small", "ttl_s": 5400.0, "reason": "demo"},
    )


def test_job_submit_sends_what_the_options_say(api: FakeApi, herder: Herder) -> None:
    words = (
        "--cpu 500m --memory 1Gi --pool burst --env A=b=c --timeout 10m --retries 2 --name n --tolerate x=y "
        "--memory-factor 2 --memory-max 64Gi --on-demand-after 3"
    )
    found = herder("job", "submit", *words.split(), "-o", "name", "--", "run", "--cpu", "9", "-o", "json")
    assert found.out == "17\n"
    assert api.bodies("/api/v1/jobs") == [
        {
            "command": ["run", "--cpu", "9", "-o", "json"],
            "key": "n",
            "env": {"A": "b=c"},
            "cpu": "500m",
            "memory": "1Gi",
            "disk": "0",
            "pool": "burst",
            "timeout_s": 600,
            "retries": 2,
            "on_retry": {"memory_factor": 2, "memory_max": "64Gi", "on_demand_after": 3},
            "tolerations": [{"key": "x", "value": "y"}],
        }
    ]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--memory-factor nan", "--memory-factor: nan is not a usable number"),
        ("--on-demand-after 99999999999999999999", "--on-demand-after: a number of 20 digits is too large"),
    ],
)
def test_job_submit_names_the_option_that_was_typed(herder: Herder, typed: str, told: str) -> None:
    assert told in herder("job", "submit", *typed.split(), "--", "true").err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "jobs.yaml",
            "name: n\njobs:\n  - command: [echo, hi]\n  - {command: [echo, ho], cpu: 2, parents: [0]}\n",
        ),
        ("jobs.yaml", "- command: [echo, hi]\n- {command: [echo, ho], cpu: 2, parents: [0]}\n"),
        (
            "jobs.json",
            '{"jobs": [{"command": ["echo", "hi"]}, {"command": ["echo", "ho"], "cpu": 2, "parents": [0]}]}',
        ),
        (
            "jobs.jsonl",
            '{"command": ["echo", "hi"]}\n\n{"command": ["echo", "ho"], "cpu": 2, "parents": [0]}\n',
        ),
    ],
)
def test_batch_submit_reads_three_forms(
    api: FakeApi, herder: Herder, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    found = herder("batch", "submit", name, "--name", "mine")
    assert found.out == "Batch 4 with 2 jobs was submitted.\n"
    assert "herder batch wait 4" in found.err
    (body,) = api.bodies("/api/v1/batches")
    assert body == {
        "name": "mine",
        "jobs": [{"command": ["echo", "hi"]}, {"command": ["echo", "ho"], "cpu": 2, "parents": [0]}],
        "commit": True,
    }


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            "j.yaml",
            "- {command: [a]}\n- {comand: [b]}\n- {command: [c], cpu: x}",
            "job 1: there is no setting 'comand'",
        ),
        ("j.yaml", "- {command: [a]}\n- {command: [c], cpu: x}", "job 1: cpu: 'x' is not an amount of CPU"),
        ("j.yaml", "- {cpu: 1}", "job 0: command: it is missing"),
        ("j.yaml", "- {command: notalist}", "job 0: command: it must be a list, not text"),
        ("j.jsonl", '{"command": ["a"]}\n{"x"}', "j.jsonl:2:5: "),
        ("j.jsonl", '{"command": ["a"]}\n\n{"x": 1}', "line 3: there is no setting 'x'"),
        ("j.json", "{", "j.json:1:2: "),
        ("j.yaml", "jobs: {a: b}", "no list of jobs"),
        ("j.yaml", "jobs: []", "no jobs"),
        ("j.yaml", "nam: x\njobs: [{command: [a]}]", "Did you mean 'name'?"),
        ("j.yaml", "a: [", "expected"),
        ("missing.yaml", None, "No such file"),
    ],
)
def test_a_fault_in_a_job_file_submits_nothing(
    api: FakeApi, herder: Herder, tmp_path: Path, name: str, content: str | None, text: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    found = herder("batch", "submit", name)
    assert (found.code, api.calls) == (2, [])
    assert text in found.err


def test_dry_runs_of_submissions_ask_the_server(api: FakeApi, herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "j.yaml").write_text("- command: [a]")
    for words in (("batch", "submit", "--dry-run", "j.yaml"), ("job", "submit", "--dry-run", "a")):
        found = herder(*words)
        assert (found.code, found.err) == (0, "")
        assert "would be submitted. (dry run" in found.out
        assert json.loads(herder("-o", "json", *words).out)["dry_run"] is True
        api.fail = [422]
        found = herder(*words)
        assert (found.code, "told to fail" in found.err) == (2, True)
    assert all(query == {"dry_run": "true"} for _, _, query, _ in api.calls)


def test_a_refused_job_of_a_file_is_told_by_its_place(api: FakeApi, herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text('{"command": ["a"]}\n\n{"command": ["b"], "timeout": "5s"}\n')
    api.refuse = ("jobs[1].timeout_s", "too long")
    for words in ([], ["--dry-run"]):
        found = herder("batch", "submit", "j.jsonl", *words)
        assert (found.code, found.err.splitlines()[0]) == (2, "error: j.jsonl: line 3: timeout: too long")
    api.refuse = ("timeout_s", "too long")
    assert herder("job", "submit", "--timeout", "5s", "--", "a").err.startswith("error: --timeout: too long")


def test_apply_shows_the_difference_and_sends_the_expanded_pools(
    api: FakeApi, herder: Herder, tmp_path: Path
) -> None:
    (tmp_path / "herder.yaml").write_text("pools: {burst: {preset: burst}, new: {preset: gpu}}")
    dry = herder("apply", "-f", "herder.yaml", "--dry-run")
    assert dry.out.splitlines() == [
        "~ pool burst updated",
        "    max_workers: 5 → 20",
        "+ pool new created",
        "With these pools the fleet costs at least $0.0000/h and at most $2.4000/h.",
    ]
    assert [call[2]["dry_run"] for call in api.calls] == ["true"]
    assert herder("apply", "-f", ".").code == 0
    assert api.calls[-1][2] == {"dry_run": "false"}
    assert api.calls[-1][3]["pools"][0]["ttl"] == "4h"


def test_apply_of_a_wrong_file_changes_nothing_and_names_every_line(
    api: FakeApi, herder: Herder, tmp_path: Path
) -> None:
    (tmp_path / "herder.yaml").write_text("pools:\n  burst:\n    preset: brust\n    max_workrs: 3\n")
    found = herder("apply", "-f", "herder.yaml")
    assert (found.code, found.out, api.calls) == (2, "", [])
    assert (
        "error: herder.yaml:3:13: pools.burst.preset: There is no preset 'brust'. Did you mean 'burst'?"
        in found.err
    )
    assert "error: herder.yaml:4:5: pools.burst.max_workrs" in found.err
    row = json.loads(herder("apply", "-f", "herder.yaml", "-o", "json").err)["error"]
    assert row["code"] == "bad_settings"
    assert [problem["line"] for problem in row["problems"]][:1] == [3]


def test_apply_leaves_it_to_the_server_whether_the_budget_above_exists(
    api: FakeApi, herder: Herder, tmp_path: Path
) -> None:
    """A file that names a part of the budgets does not change the others."""
    (tmp_path / "herder.yaml").write_text("budgets: {below: {limit: 5, parent: on-the-server}}")
    assert herder("apply", "-f", "herder.yaml", "--dry-run").code == 0
    assert api.calls[-1][3]["budgets"]["below"]["parent"] == "on-the-server"
    lint = herder("config", "lint", "-f", "herder.yaml")
    assert lint.code != 0
    assert "Budget below has the parent on-the-server, which does not exist." in lint.err + lint.out


def test_config_show_and_lint(herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "herder.yaml").write_text("pools: {mine: {preset: burst, ttl: 10m}}")
    assert herder("config", "show").out == "pools:\n  mine:\n    preset: burst\n    ttl: 10m\n"
    assert "idle_timeout: 30m" in herder("config", "show", "--expanded").out
    assert json.loads(herder("config", "show", "-o", "json").out)["pools"]["mine"]["ttl"] == "10m"
    found = herder("config", "lint")
    assert (found.code, "warning: herder.yaml:1:9: pools.mine.idle_timeout" in found.out) == (0, True)
    assert herder("config", "lint", "--strict").code == 1
    assert "CSV" in herder("config", "show", "-o", "csv").err
    (tmp_path / "herder.yaml").write_text("pools: {mine: {preset: bust}}")
    assert herder("config", "lint").code == 1
    (tmp_path / "herder.yaml").write_text(
        'templates: {t: {cpu: 500m, memory: 256Mi, price_per_hour: "0.01"}}\n'
        "pools: {mine: {driver: local, templates: [t], min_workers: 1, max_workers: 3}}\n"
    )
    found = herder("config", "lint")
    assert "1 permanent worker (min_workers) costs at least $" in found.out
    assert (found.code, found.err) == (0, "No problems found. 1 note.\n")


def test_config_view_never_shows_the_token(herder: Herder, environment: dict[str, str]) -> None:
    for form in ("table", "json", "yaml", "csv"):
        found = herder("config", "view", "--origin", "-o", form)
        assert environment["HERDER_TOKEN"] not in found.out + found.err
        assert "HERDER_TOKEN" in found.out


def test_token_create_saves_to_a_file_of_ones_own(herder: Herder, tmp_path: Path) -> None:
    found = herder("token", "create", "bob", "--save", "bob.token")
    assert "s3cret" not in found.out + found.err
    assert (tmp_path / "bob.token").read_text() == "s3cret\n"
    assert (tmp_path / "bob.token").stat().st_mode & 0o777 == 0o600
    assert herder("token", "create", "bob", "--save", "bob.token").code == 1, "it is not written over"


def test_batches_and_jobs_end_with_their_exit_code(api: FakeApi, herder: Herder) -> None:
    api.batches[3] = batch(3, state="succeeded", counts={"succeeded": 3})
    assert herder("batch", "wait", "3").code == 0
    api.batches[3] = batch(3, state="failed", counts={"succeeded": 1, "failed": 2})
    found = herder("batch", "wait", "3")
    assert (found.code, found.out) == (8, "Batch 3 failed: 1 succeeded, 2 failed.\n")
    api.batches[3] = batch(3, state="failed", counts={"failed": 3})
    assert herder("batch", "wait", "3").code == 1
    api.jobs[17] = job(17, state="failed", cause="exit_code", message="exit code 3", exit_code=3)
    found = herder("job", "wait", "17")
    assert (found.code, found.out) == (1, "Job 17 failed (exit_code: exit code 3).\n")


def test_what_is_created_for_whom_and_how_long(herder: Herder, api: FakeApi) -> None:
    assert herder("token", "create", "--expires", "30d", "--role", "viewer").code == 0
    assert api.bodies("/api/v1/tokens")[-1] == {"role": "viewer", "expires_in_s": 30 * 86_400}
    assert herder("token", "create", "--expires", "soon").code == Code.USAGE
    assert herder("user", "set", "bob").code == Code.USAGE
    assert herder("token", "revoke", "3f9a1c02be47").code == Code.USAGE, "it asks first"


def test_names_in_proposed_commands_are_quoted(herder: Herder) -> None:
    found = herder("user", "create", "b; rm -rf ~")
    assert "herder token create 'b; rm -rf ~' --save 'b; rm -rf ~.token'" in found.err


def test_worker_add_prints_one_command_and_what_the_token_is(api: FakeApi, herder: Herder) -> None:
    found = herder("worker", "add", "burst", "--uses", "10", "--expires", "1d", "--template", "small")
    assert api.bodies("/api/v1/pools/burst/join-tokens") == [
        {"template": "small", "uses": 10, "expires_in_s": 86_400}
    ]
    assert len(found.out.splitlines()) == 1
    assert "herder token revoke 3f9a1c02be47" in found.err
    assert "listens on loopback only" in found.err, "nobody else can call a loopback address"
    assert json.loads(herder("worker", "add", "burst", "-o", "json").out)["token"] == "j0in"
    assert herder("worker", "add", "burst", "--expires", "4").code == Code.USAGE


@pytest.mark.parametrize(
    "words",
    [
        ["pool", "scale", "burst", "1", "--ttl", "4"],
        ["worker", "extend", "burst-7-1", "--by", "2"],
        ["job", "wait", "17", "--timeout", "90"],
        ["job", "submit", "--timeout", "90", "x"],
        ["batch", "wait", "3", "--timeout", "5"],
        ["token", "create", "--expires", "30"],
    ],
    ids=" ".join,
)
def test_a_duration_without_a_unit_is_refused_with_the_remedy(
    api: FakeApi, herder: Herder, words: list[str]
) -> None:
    found = herder(*words)
    assert (found.code, api.calls) == (Code.USAGE, [])
    assert f"{words[-2 if words[-1] == 'x' else -1]}m" in found.err


def test_several_jobs_at_once(api: FakeApi, herder: Herder) -> None:
    api.jobs |= {18: job(18, state="failed", cause="exit_code"), 19: job(19)}
    found = herder("job", "wait", "19", "18", "17", "19")
    assert (found.code, found.out.splitlines()) == (
        Code.PARTLY_DONE,
        ["Job 19 succeeded.", "Job 18 failed (exit_code).", "Job 17 succeeded."],
    )
    items = json.loads(herder("job", "wait", "17", "19", "-o", "json").out)["items"]
    assert [each["id"] for each in items] == [17, 19]
    found = herder("job", "logs", "17", "99", "19")
    assert found.code == Code.PARTLY_DONE
    assert found.out.count("wörld") == 2
    assert ["==> job 17 <==" in found.out, "there is no job 99" in found.err] == [True, True]
    assert herder("job", "logs", "98", "99").code == Code.NOT_FOUND
    found = herder("job", "cancel", "17", "18", "--dry-run")
    assert found.out.splitlines()[0] == "job 17 would be cancelled (dry run, nothing was changed)"
    ended = herder("job", "cancel", "17", "18")
    assert (ended.code, ended.err) == (0, ""), "nothing would happen, so nothing is asked"
    api.jobs[18] = job(18, state="running")
    assert "job 18 would be cancelled" in herder("job", "cancel", "17", "18").err, (
        "it asks with what would be"
    )
    for last in ("--dry-run", "--yes"):
        found = herder("job", "cancel", "99", "17", last)
        assert (found.code, found.out.startswith("job 17 ")) == (Code.PARTLY_DONE, True)
    assert herder("job", "cancel", "17", "18", "--yes").out == "job 17 cancelled\njob 18 cancelled\n"
    assert herder("job", "retry", "17", "19", "-o", "name").out == "99\n99\n"


def test_outputs_of_several_jobs_each_begin_on_a_line_of_their_own(api: FakeApi, herder: Herder) -> None:
    api.jobs |= {18: job(18)}
    api.logs = "no end of line"
    out = "==> job 17 <==\nno end of line\n==> job 18 <==\nno end of line"
    assert herder("job", "logs", "17", "18").out == out


def test_which_jobs_must_be_said_once(api: FakeApi, herder: Herder) -> None:
    for verb in ("wait", "cancel", "logs", "retry"):
        assert "No jobs are named." in herder("job", verb).err
        found = herder("job", verb, "17", "--batch", "3")
        assert (found.code, "Name either numbers of jobs or a filter, not both." in found.err) == (
            Code.USAGE,
            True,
        )
    assert api.calls == []
    api.jobs = {}
    found = herder("job", "cancel", "--name", "n", "--yes")
    assert (
        found.code,
        "No pending, blocked, ready, held or running jobs match this filter." in found.err,
    ) == (
        Code.NOT_FOUND,
        True,
    )
    assert {call[2]["state"] for call in api.calls} == {"pending", "blocked", "ready", "held", "running"}
    assert {call[2]["name"] for call in api.calls} == {"n"}


def test_apply_says_what_it_does_not_apply(api: FakeApi, herder: Herder, tmp_path: Path) -> None:
    (tmp_path / "herder.yaml").write_text(
        "server: {listen: '127.0.0.1:1'}\ndrivers: {local: {}}\nusers: {ann: {role: viewer, quota: {jobs: 5}}}\n"
        "pools: {burst: {preset: burst}}\n"
    )
    found = herder("apply", "-f", "herder.yaml", "--dry-run")
    assert found.code == 0, found.err
    (line,) = [each for each in found.err.splitlines() if each.startswith("Not applied")]
    assert line.startswith(
        "Not applied: server, drivers, roles and weights of users (their quotas and queued_jobs are applied)."
    )
    (tmp_path / "herder.yaml").write_text(
        "users: {ann: {quota: {jobs: 5}}}\npools: {burst: {preset: burst}}\n"
    )
    assert "Not applied" not in herder("apply", "-f", "herder.yaml", "--dry-run").err


def test_logs_that_are_not_there_are_said_to_be_not_there(api: FakeApi, herder: Herder) -> None:
    """Of a job that never ran, or has no such attempt, the server says so (tests/api); it is an error here too."""
    api.logs = ""
    found = herder("job", "logs", "17")
    assert (found.code, found.out) == (0, "")
    assert "Job 17 has printed nothing." in found.err
    api.jobs = {17: job(17, state="skipped", attempts=0)}
    for words in ([], ["--follow"]):
        found = herder("job", "logs", "17", *words)
        assert (found.code, found.out) == (Code.CONFLICT, "")
        assert "job 17 has no output" in found.err
