"""Every example of every `--help` is run against one real server that has had work: what the help shows, works.

Names and numbers of an example stand for those of the server (`burst-7-1`, `17`), and are replaced by real ones. What cannot be run here
is in `PARSED_ONLY`, with the reason.
"""

import gzip
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.reports.focus.files import text_of
from herder.reports.focus.rows import Issuer

HERDER_YAML = """
templates:
  medium: {cpu: 1, memory: 256Mi, price_per_hour: "0.05"}
  large: {cpu: 4, memory: 16Gi, price_per_hour: "0.02"}
pools:
  std: {driver: local, templates: [large], min_workers: 1, max_workers: 1}
  later: {driver: local, templates: [medium], max_workers: 1}
  burst: {driver: local, templates: [medium, large], max_workers: 20, default_eligible: false, ttl: 4h, ttl_max: 12h}
"""
NOW = datetime.now(UTC).isoformat()
FILES = {
    # Without a minimum: the workers of `herder server` outlive it.
    "herder.yaml": HERDER_YAML.replace("min_workers: 1, ", ""),
    "items.csv": "id,cpu_milli,memory_mib,count\nweb,500,1024,40\n",
    "daily.csv": "time,value\n"
    + "".join(f"2026-01-{day:02},{100 + 40 * (day % 7 == 0)}\n" for day in range(1, 32)),
    "hourly.csv": "time,value\n" + "".join(f"{hour * 3600},{hour % 24}\n" for hour in range(96)),
    "sizes.yaml": "- {name: small, cpu_milli: 8000, memory_mib: 32768, price_per_hour: 0.38}\n",
    "free.csv": "id,cpu_milli,memory_mib\nold,4000,8192\n",
    "jobs.yaml": "jobs:\n  - command: [echo, hello]\n",
    "jobs.jsonl": '{"command": ["echo", "hello"]}\n' * 2,
    "jobs.csv": "arrival_s,run_s,cpu,memory_mib\n" + "".join(f"{n * 60},300,2,2048\n" for n in range(20)),
    "commands.txt": "echo one\n\necho two | tr o 0\n",
    "workflow.json": json.dumps(
        {
            "tasks": [
                {"id": "a", "runtimeInSeconds": 5},
                {"id": "b", "parents": ["a"], "runtimeInSeconds": 5},
            ]
        }
    ),
    "report.sh": '#!/bin/sh\necho "report of $1"\n',
    "fit.sh": "#!/bin/sh\n",
    "load.sh": '#!/bin/sh\ntest -n "$DB_PASSWORD"\n',
    "pipeline.yaml": "steps: []\n",
    "password.txt": "a password\n",
    "new-password.txt": "another password\n",
    "data.csv": "b\na\n",
    "worker-pools.json": '{"worker_pool_definitions": {"burst": {"max_size": 2, "default_template": "small"}}}',
    "servers.yaml": "pools:\n  mcp-git-server:\n    membership: none\n    templates: [small]\n"
    "    schedules: [{cron: 0 8 * * *, min_workers: 5, duration: 10h}]\n",
    "machine-pools.tf": 'module "pools" {\n  cluster_id = "2abc"\n  create_additional_pool = true\n}\n',
    "events.jsonl": json.dumps({"id": "1", "time": NOW, "resource": "network.inter", "quantity": 1}) + "\n",
    "traces.json": json.dumps(
        {"id": "1", "time": NOW, "attributes": {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}}
    ),
    "spend.json": json.dumps([{"request_id": "r", "model": "m", "endTime": NOW, "prompt_tokens": 5}]),
    "costs.csv": "".join(text_of([], Issuer(id="acme", name="ACME"))),
    "rates.csv": "resource,price\nmemory,0.006\n",
    "prices.json": '{"gpt-5": {"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05}}',
    "Makefile": "report:\n\techo report\n",
}
#: Examples that are only parsed, and why.
PARSED_ONLY = {
    "herder rate add --replaces external/gpu@2026-11-01 --price 0.075": "needs a rate that is wrong; tests/cli/test_rates.py replaces one",
    "herder mcp": "needs a client of the protocol; tests/mcp_server runs it",
    "herder mcp --profile prod": "needs a profile; tests/mcp_server runs the command",
    "herder mcp --port 8765": "ends when it is interrupted; tests/mcp_server runs it",
    'herder usage correct disks vol-2 --quantity 9.5 --reason "a typo"': "needs a report; tests/docs/test_rates_and_usage.py runs it",
    "herder usage correct gateway r-1 --quantity 50 --reason twice --dry-run": "needs a report; tests/docs/test_rates_and_usage.py runs it",
    "herder server --host 10.0.0.5 --tls-cert server.pem --tls-key server.key": "needs the address 10.0.0.5 and a certificate",
    "HERDER_JOIN_TOKEN=TOKEN herder agent --server https://herder.example:8765": "needs a server on another machine",
    "herder admin restore herder-backup.db --data-dir /var/lib/herder": "needs a stopped server; tests/cli/test_admin.py runs it",
    "herder admin mark-restored --store postgresql://herder@db/herder": "needs PostgreSQL; tests/backup runs it",
    "herder admin rotate-secrets-key --forget-old": "needs a stopped server; tests/cli/test_secrets_key.py runs it",
    "herder secret create key --file id_ed25519 --project genomics": "needs a project with members; tests/api/test_secrets.py has one",
    "herder callback retry 3": "needs a message that was sent; tests/callbacks/test_batches.py runs it",
    "herder callback retry 3 --group align": "needs a message that was sent; tests/callbacks/test_groups.py runs it",
    "herder bootstrap check talos": "needs a bootstrap; tests/providers/test_bootstrap_loop.py asks the same",
    "herder cluster show prod": "needs a cluster; tests/acceptance/test_nodes.py runs it",
    "herder cluster check prod": "needs a cluster; tests/acceptance/test_nodes.py runs it",
    "herder driver import rosa": "needs a ROSA cluster; tests/acceptance/test_rosa.py runs it",
    "herder driver import rosa -o json": "needs a ROSA cluster; tests/drivers/rosa/test_importing.py has its text",
    "herder why pod shop/web-1": "needs a cluster; tests/acceptance/test_nodes.py runs it",
    "herder pool scheduling-info burst": "needs a cluster; tests/acceptance/test_nodes.py runs it",
    "herder demo": "takes half a minute; tests/demo runs it",
    "herder demo --input src --keep": "takes half a minute; tests/demo runs it",
    "herder demo --clouds": "takes half a minute; tests/demo runs it",
    "herder demo --datacentre": "takes more than a minute; tests/demo runs it",
}
#: What is added to an example so that it ends, or so that it starts fewer processes.
ADDED = {
    "herder up": ["--port", "0"],
    "herder server -c herder.yaml": ["--port", "0"],
    "herder events --follow --kind worker.ready": ["--after", "0", "--limit", "1"],
    "herder pool scale burst 5 --template medium --ttl 4h": ["--dry-run"],
    "herder batch retry 3 --failed": ["--dry-run"],
    "herder batch delete 3 --yes": ["--dry-run"],
    "herder batch cancel 3 --group align/sample-1": ["--yes"],
}
#: Exit codes other than 0, and why.
CODES = {
    "herder batch wait 3 --timeout 1h": (8, "one job of batch 3 fails, so that others can show failed jobs"),
    "herder job logs --batch 3 --state failed": (0, "the failed job of batch 3 has written"),
    "herder job submit --image debian:12 -- cat /etc/os-release": (
        2,
        "no pool of the server runs containers",
    ),
    "herder worker operations burst-7-1": (3, "the driver of its workers is local, which has no operations"),
    **{
        f"herder cost invoice {words}": (3, "nothing is booked in that month")
        for words in (
            "--project alpha --month 2026-11",
            "--project alpha --month 2026-11 --html alpha.html",
            "--division research --month 2026-11 -o csv",
        )
    },
    "herder driver forget old --dry-run": (3, "the server has no driver that was taken out of its file"),
    "herder cost explain 9f86d081884c7d65": (
        3,
        "a line's id cannot be foretold; tests/api/test_costs.py explains one",
    ),
    **{
        f"herder cost {verb} opt-0f6c1b2a9d": (
            3,
            "it has 14 days of no work; tests/api/test_recommendations.py has some",
        )
        for verb in ("recommend", "approve", "implement", "roll-back", "results")
    },
    **dict.fromkeys(
        ("herder alert show alert-0f6c1b2a9d3e", "herder alert ack alert-0f6c1b2a9d3e"),
        (3, "the server has raised no alert; tests/alerts has some"),
    ),
    "herder alert test coo": (3, "the server has no channels; tests/alerts/test_channels.py has some"),
    **dict.fromkeys(
        (
            "herder budget approve 3 --from contingency",
            'herder budget reject 3 -m "not this month"',
            "herder budget take-back 3",
        ),
        (3, "the server has no such request, and nobody approves their own; tests/budgets has some"),
    ),
    "herder budget keep gpu": (
        3,
        "the server has no such budget; tests/api/test_budgets.py keeps one",
    ),
    **{
        f"herder cost reports get weekly-20261130T090000Z{more}": (
            3,
            "its time has not come; tests/api/test_stored_reports.py makes some",
        )
        for more in ("", " --html weekly.html")
    },
    "herder budget settle gateway-7 --cost 3.10": (
        3,
        "nobody holds it; tests/api/test_budgets.py settles one",
    ),
}


def _examples(group: Any) -> Iterator[tuple[str, Any]]:
    for line in (group.help or "").splitlines():
        if line.strip().startswith("$ "):
            yield line.strip()[2:], group
    for command in getattr(group, "commands", {}).values():
        yield from _examples(command)


APP = whole_app()
EXAMPLES = [*dict(_examples(get_command(APP)))]


def _split(example: str) -> tuple[list[str], str]:
    """The words after `herder`, and the file that is piped into it."""
    before, _, line = example.rpartition(" | ")
    words = shlex.split(line.partition(" > ")[0])
    return words[words.index("herder") + 1 :], before.removeprefix("cat ")


class Installation:
    """`herder up` with two pools, three batches and a user."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        (folder / "herder.yaml").write_text(HERDER_YAML)
        self.environment = {
            "HERDER_DATA_DIR": str(self.data),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.log = (folder / "server.log").open("wb")
        self.process = self.started(["up", "-c", str(folder / "herder.yaml"), "--port", "0"])
        self.until((self.data / "server.json").exists)
        self.fill()

    def started(self, words: list[str]) -> "subprocess.Popen[bytes]":
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")} | self.environment
        command = [sys.executable, "-m", "herder.app", *words]
        return subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def made(self, *words: str) -> str:
        """What a command answers with `-o name`."""
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            assert run(APP, [*words, "-o", "name", "--quiet"]) == 0, words
        return out.getvalue().strip()

    def until(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not check():
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
            time.sleep(0.1)

    def fill(self) -> None:
        """Jobs 1 to 20 in three batches; of the third, one fails."""
        good: list[list[str]] = [["true"]] * 8
        for commands in (good, good, [*good[:3], ["sh", "-c", "echo no; exit 1"]]):
            self.batch([{"command": command} for command in commands])
        self.until(lambda: not self.made("batch", "list", "--state", "running"))
        self.worker = self.new_worker()
        self.made("user", "create", "alice")
        self.made("pool", "freeze", "later")  # what waits for it, stays open

    def batch(self, jobs: list[dict[str, Any]]) -> str:
        (self.folder / "batch.json").write_text(json.dumps({"jobs": jobs}))
        return self.made("batch", "submit", str(self.folder / "batch.json"))

    def new_worker(self) -> str:
        name = self.made("pool", "scale", "burst", "1", "--template", "medium", "--ttl", "4h")
        self.until(lambda: name in self.made("worker", "list", "--state", "ready"))
        return name

    def secret(self, *, there: bool) -> None:
        """The secret `db` of the user is there, or is not."""
        if "db" in self.made("secret", "list").splitlines():
            self.made("secret", "delete", "db", "--yes")
        if there:
            (self.folder / "password.txt").write_text("a password\n")
            self.made("secret", "create", "db", "--file", str(self.folder / "password.txt"))

    def open_batch(self) -> str:
        (self.folder / "batch.json").write_text(json.dumps([{"command": ["true"], "pool": "later"}]))
        return self.made("batch", "submit", str(self.folder / "batch.json"), "--keep-open")

    def waiting_batch(self) -> str:
        return self.batch([{"command": ["true"], "pool": "later"}])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        self.log.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("examples"))
    yield made
    made.stop()


def _names(installation: Installation, example: str) -> dict[str, str]:
    """What stands in an example, and what it is here."""
    names = {
        "burst-7-1": installation.worker,
        "/var/lib/herder": str(installation.data),
        "herder.db": str(installation.data / "herder.db"),
        "9000": "0",
    }
    match example.split()[1:4]:
        case ["worker", "remove", _]:
            names["burst-7-1"] = installation.new_worker()
        case ["rate", "show", rate]:
            names[rate] = rate.replace("internal", "shown")
        case ["plan", "get", _]:
            names["42"] = installation.made("plan", "list", "--limit", "1")
        case ["batch", "cancel" | "retry", _] if "--group" in example:
            job = {"command": ["true"], "pool": "later", "group": "align/sample-1"}
            names["3"] = installation.batch([job])
        case ["batch", "cancel" | "hold" | "release", _]:
            names["3"] = installation.waiting_batch()
        case ["batch", "add" | "close", *_]:
            names["3"] = installation.open_batch()
        case ["job", "hold" | "release", "17"]:
            names["17"] = installation.made("job", "list", "--batch", installation.waiting_batch())
        case ["user", "create", _]:
            names["alice"] = "dora"
        case ["token", "revoke", _]:
            installation.made("token", "create", "--note", "example")
            names["3f9a1c02be47"] = installation.made("token", "list").splitlines()[0]
    return names


def _prepare(installation: Installation, example: str) -> Callable[[], object]:
    """Before an example; what is answered is called after it."""
    words, _ = _split(example)
    match words[:2]:
        case ["rate", "show"]:
            path = installation.folder / "cpu.csv"
            path.write_text("card,resource,price,from\nshown,cpu,0.05,2026-11-01\n")
            installation.made("rate", "import", str(path))
        case ["budget", "show" | "forecast" | "request" | "reallocate"]:
            for name in ("burst", "spot"):
                installation.made("budget", "set", name, "--limit", "200", "--set", "scope=group")
        case ["secret", verb]:
            installation.secret(there=verb != "create")
        case ["pipeline", "get" | "delete"]:
            (installation.folder / "pipeline.yaml").write_text("steps: []\n")
            installation.made(
                "pipeline", "set", words[2], "--file", str(installation.folder / "pipeline.yaml")
            )
        case ["job", "submit"] if "--secret" in words:
            installation.secret(there=True)
        case ["job", "cancel" | "hold"] if "--name" in words:
            installation.batch([{"command": ["true"], "pool": "later", "name": "report"}])
        case ["driver" | "pool" as noun, "unfreeze"]:
            installation.made(noun, "freeze", words[2])
        case ["driver" | "pool" as noun, "freeze"]:
            return lambda: installation.made(noun, "unfreeze", words[2])
    return lambda: None


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(each, marks=pytest.mark.slow)
        if each.startswith(("herder up", "herder server"))
        else each
        for each in EXAMPLES
    ],
)
def test_an_example_works(
    installation: Installation,
    example: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words, piped = _split(example)
    if example in PARSED_ONLY:
        _parse(words)
        return
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "jobs.csv.gz").write_bytes(gzip.compress(FILES["jobs.csv"].encode()))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("HERDER_")]:
        monkeypatch.delenv(name)
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    names = _names(installation, example)
    words = [names.get(word, word) for word in words] + ADDED.get(example, [])
    if words[0] in ("up", "server"):
        _start_and_stop(installation, words, tmp_path)
        return
    if piped:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / piped).read_bytes())))
    after = _prepare(installation, example)
    code = run(APP, words)
    after()
    captured = capfd.readouterr()
    assert code == CODES.get(example, (0, ""))[0], captured.err + captured.out


def _parse(words: list[str]) -> None:
    context = get_command(APP).make_context("herder", list(words))
    command: Any = context.command
    name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    found.make_context(name, rest, parent=context)


def _start_and_stop(installation: Installation, words: list[str], folder: Path) -> None:
    process = installation.started([*words, "--data-dir", str(folder / "data")])
    installation.until((folder / "data" / "server.json").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_exceptions_are_of_examples_that_exist() -> None:
    assert {*PARSED_ONLY, *ADDED, *CODES} <= set(EXAMPLES)
