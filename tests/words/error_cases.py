"""An example of each error that can reach a person, raised by the code that raises it. For `test_errors.py`."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
from sqlalchemy import create_engine
from starlette.exceptions import HTTPException
from starlette.requests import Request

from herder.agent.environment import connection as agent_connection
from herder.agent.environment.settings import SettingsError as AgentSettingsError
from herder.agent.environment.settings import from_environment
from herder.agent.processes.scratch import BadInput, _parts_of
from herder.agent.runtimes import UnknownRuntime, open_runtime
from herder.api.application import MethodNotAllowed, _not_routed
from herder.bootstraps.registry import UnknownBootstrap
from herder.bootstraps.registry import load as load_bootstrap
from herder.cli.input.attached_files import Inputs
from herder.cli.input.job_rows import RowFault, job_of
from herder.cli.shell.exit_codes import CommandError
from herder.client import errors as client_errors
from herder.client.connection import ConnectionSettingsError, find_target
from herder.client.http.transport import Transport
from herder.client.parts.waiting import wait_until
from herder.control.access.access_check import OF_KIND, check, not_known
from herder.control.drivers import adoption
from herder.control.drivers.calling import DriverFrozenError, _fault, ask
from herder.control.kernel.bounds import errors
from herder.control.kernel.bounds.limits import check_attributes, check_name
from herder.control.kernel.driver_calls import DriverCalls
from herder.control.kernel.driver_notes import UnknownMachine
from herder.control.kernel.jobs.backlog import Backlog
from herder.control.kernel.unknown_agents import UnknownAgents
from herder.control.metric_sources.prometheus import value_of
from herder.control.pools.adding import template_named
from herder.control.workers.exchange import invited
from herder.control.workers.joining import JoinedMachines
from herder.drivers.registry import BadSettings, UnknownDriver, load, read_settings
from herder.engine.jobs.batch import DependencyError, _refuse_cycle
from herder.engine.memory.state import EngineState
from herder.mcp.prompts import BadPrompt, filled
from herder.memberships.registry import UnknownMembership
from herder.memberships.registry import load as load_membership
from herder.model.fleet import driver
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, UserName, WorkerName
from herder.model.permissions import Action, Kind, Principal, Role
from herder.model.stored.incarnation import Incarnation
from herder.model.stored.records import ObservationRecord
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.notify.addresses import Allowed, BadTarget, checked
from herder.notify.files import FileError, small_text
from herder.ports.store import StoreDown
from herder.remote.prometheus import NoValue
from herder.server.admin_commands.store import found_violations
from herder.server.leadership.forwarding import NoLeader, no_leader
from herder.server.options import ServerOptions, StartError
from herder.server.reloading import _check_resources
from herder.settings import SettingsError, load_texts
from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.json_text import read_json
from herder.store.backup.taking import NoSuchFile, check_is_file
from herder.store.opening.database import StoreError, open_engine
from herder.store.opening.database_errors import FULL
from herder.store.opening.leadership import Fenced, Leader, begin
from herder.store.rows.versions import UnknownVersion, opened
from herder.store.writing.flight_recorder import BrokenRecord, play
from herder.store.writing.writer import _given_up
from herder.wire.worker import startup

VIEWER = Principal(user=UserName("ada"), role=Role.VIEWER)


def _pretend(**settings: int) -> driver.Driver:
    kind = load("pretend")
    return kind.make(kind.settings_type(**settings), driver.DriverContext(name="pretend"))


def _local(folder: Path) -> Any:
    kind = load("local")
    return kind.make(kind.settings_type(), driver.DriverContext(name="local", data_folder=str(folder)))


def _spec() -> WorkerSpec:
    return WorkerSpec(
        name=WorkerName("w-1"),
        pool=PoolName("p"),
        template="t",
        driver="pretend",
        allocatable=Resources(1000, 1024, 1024),
        slots=1,
        price_pico_per_hour=PicoUsd(0),
    )


_START = driver.StartData(server_url="http://x", activation_token="t", self_delete_after_s=1)


class Case(NamedTuple):
    kind: type[Exception]
    raises: Callable[[], object]
    says: str
    hint: str = ""


def _adopt(name: str) -> object:
    machine = driver.Machine(worker=WorkerName(name), handle="h", phase=driver.Phase.RUNNING)
    return adoption.spec_of(_empty_core(), "d", UnknownMachine(machine=machine, since_ms=0), "ann")


def _empty_core() -> Any:
    directory = SimpleNamespace(activations={}, workers={})
    state = SimpleNamespace(workers={}, frozen_drivers={}, incarnation=Incarnation())
    clock = SimpleNamespace(monotonic_ms=lambda: 0)
    return SimpleNamespace(
        directory=directory, state=state, drivers={}, unknown_agents=UnknownAgents(), clock=clock
    )


def _raised(error: Exception) -> None:
    raise error


def _answered(status: int, body: bytes) -> Callable[[], object]:
    """A call of a client to a server that answers so."""
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=body))
    return lambda: Transport("http://127.0.0.1:8765", None, retries=0, transport=transport).get_text("/jobs")


def _refused(status: int, detail: str) -> Callable[[], object]:
    return _answered(
        status, b'{"title": "t", "status": %d, "detail": "%s", "code": "c"}' % (status, detail.encode())
    )


def _not_allowed() -> None:
    request = Request(
        {"type": "http", "method": "PUT", "path": "/api/v1/jobs", "headers": [], "query_string": b""}
    )
    answer = asyncio.run(_not_routed(request, HTTPException(405)))
    body = json.loads(bytes(answer.body))
    raise MethodNotAllowed(body["detail"], hint=body["hint"])


def _fenced() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE leader (id, epoch, holder, since_ms)")
        begin(connection, Leader(epoch=1, holder=""))


async def _asked_of_frozen() -> None:
    core = _empty_core()
    await ask(core, "gcp", "create", lambda each: None)


def _fault_of_a_driver() -> None:
    """What a driver's own fault becomes."""
    core = SimpleNamespace(
        driver_notes={}, clock=SimpleNamespace(now_ms=lambda: 0, monotonic_ms=lambda: 0), state=EngineState()
    )
    core.gather = lambda changes: None
    core.settle = lambda: None
    raise _fault(core, "gcp", "list", "", "it returned 3 instead of a Listing")  # type: ignore[arg-type]


async def _call_past_its_deadline() -> None:
    calls_ = DriverCalls(places=1)
    try:
        await calls_.run("gcp", "create", lambda: time.sleep(0.05), deadline_s=0.001, worker="w-1")
    finally:
        calls_.close()


def _agent_call(status: int) -> Callable[[], object]:
    return lambda: agent_connection.usable(
        status, b'{"detail": "Unknown worker token: the worker was removed."}'
    )


CASES = (
    Case(errors.Refused, lambda: _check_resources(SimpleNamespace(state=SimpleNamespace(resources=SimpleNamespace(declared=()))), SimpleNamespace(resources=SimpleNamespace(declared=("x",)))),  # type: ignore[arg-type]
         "The section `resources` has changed.", "Restart the server to change it."),
    Case(errors.NotKnown, lambda: _raised(not_known(Kind.JOB, 7)), "There is no job 7.", "`herder job list` shows the jobs."),
    Case(errors.Conflict, lambda: template_named(PoolSpec(name=PoolName("p")), None), "Pool p has no template."),
    Case(errors.Invalid, lambda: check_name("a\nb", "name"), "'a\\nb' is not a valid name.", "Use at most 200 printable characters."),
    Case(errors.TooLarge, lambda: check_attributes({f"k{n}": "x" * 4000 for n in range(20)}),
         "The attributes have 80,050 bytes together; the maximum is 16,384.", "Store large values elsewhere and put their address into an attribute."),
    Case(adoption.NotAdoptable, lambda: _adopt("by-hand"),
         "The name of the machine has no plan number, so its worker cannot be created again. Remove the machine."),
    Case(adoption.NotAdoptable, lambda: _adopt("p-7-1"), "The store remembers the time of this machine, and its worker has ended. Remove the machine."),
    Case(errors.Unauthenticated, lambda: invited(_empty_core(), "no"), "Unknown or expired activation token.", "The worker was removed; stop this agent."),
    Case(errors.Forbidden, lambda: check(VIEWER, Action.CREATE, OF_KIND[Kind.JOB]), "This action needs the role user; ada has the role viewer.",
         "Use a token with that role, or ask an administrator to run `herder user set`."),
    Case(errors.Overloaded, lambda: Backlog(jobs_max=5, bytes_max=9).check(EngineState(), UserName("ada"), 6, 1, 0),
         "User ada would have 6 waiting jobs; the maximum for a user is 5 (queued_jobs_per_user).",
         "Wait until some of the jobs have started, or cancel some, then try again."),
    Case(errors.NotReady, lambda: _raised(errors.NotReady(_given_up(FULL))),
         "The store is full. The last changes were not written. Free space on the disk or in the database, then start the server again. "
         "Nothing that was accepted is lost."),
    Case(errors.StoreTroubled, lambda: _raised(errors.StoreTroubled(FULL)), "The store is full.",
         "Free space on the disk or in the database. Nothing that was accepted is lost; writing resumes by itself."),
    Case(NoLeader, lambda: _raised(no_leader("No server leads at the moment.")), "No server leads at the moment.",
         "Try again in some seconds: another server takes over within 10 s."),
    Case(MethodNotAllowed, _not_allowed, "The route /api/v1/jobs does not accept the method PUT.", "/api/v1/openapi.json lists all routes."),
    Case(StartError, ServerOptions(data_dir=Path("x"), host="10.0.0.5").check, "10.0.0.5 is reachable from other machines, and tokens would be sent unencrypted.",
         "Set --tls-cert and --tls-key, or set --insecure if a proxy in front of the server does TLS."),
    Case(
        NoSuchFile, lambda: check_is_file(Path("/none.db")), "There is no file /none.db.",
        "Name a file that `herder admin backup` wrote. Nothing was changed.",
    ),
    Case(StoreError, lambda: open_engine("mysql://x/y"), "'mysql' is not supported as a store.", "Use SQLite or PostgreSQL."),
    Case(Fenced, _fenced, "The table `leader` of the store is empty, so no server may write to it. Check whether the store was emptied or replaced."),
    Case(StoreDown, lambda: _raised(StoreDown(_given_up(FULL))),
         "The store is full. The last changes were not written. Free space on the disk or in the database, then start the server again. "
         "Nothing that was accepted is lost."),
    Case(SettingsError, lambda: load_texts([("h.yaml", "pools: {p: {templates: [small], ttl: 30}}")]),
         "h.yaml:1:38: pools.p.ttl: '30' has no unit. Write 30s, 30m or 30h."),
    Case(Unreadable, lambda: read_json('{"a": 1, "a": 2}'), "The name 'a' occurs twice in one object. Remove one of the two."),
    Case(UnknownVersion, lambda: opened("pool", {"version": 99}, "The stored pool p"),
         "The stored pool p has version 99, but this version of Herder reads version 2. Use the version of Herder that wrote it."),
    Case(BrokenRecord, lambda: list(play([ObservationRecord(plan=4, follows=3, at_ms=0, size=0, body="")])),
         "The observation of plan 4 builds on that of plan 3, which is missing."),
    Case(DependencyError, lambda: _refuse_cycle({0: [1], 1: [0]}, {0: "a", 1: "b"}), "Jobs depend on each other in a cycle: a ← b ← a."),
    Case(FileError, lambda: small_text("/dev/null"), "The file /dev/null is not a regular file."),
    Case(BadTarget, lambda: checked("https://169.254.169.254/", Allowed(())), "169.254.169.254 is not a public address.",
         "Name a public server, or ask an administrator to add the address to `callbacks.allow`."),
    Case(BadPrompt, lambda: filled("explain_waiting_job", {}), "Prompt explain_waiting_job needs the argument job: one line of at most 200 characters."),
    Case(UnknownDriver, lambda: load("locl"), "There is no driver 'locl'. Did you mean 'local'? Possible values are aws, azure, gcp, kubernetes-jobs, local, mcp, pretend, proxmox, rosa, terra."),
    Case(BadSettings, lambda: read_settings("local", load("local").settings_type, {"kill_wait_s": "x"}), "Driver 'local': kill_wait_s: it must be a number, not text."),
    Case(UnknownBootstrap, lambda: load_bootstrap("nope"), "There is no bootstrap 'nope'. Possible values are talos."),
    Case(UnknownMembership, lambda: load_membership("nope"), "There is no membership 'nope'. Did you mean 'none'? Memberships are exchange, kubernetes, none."),
    Case(driver.InvalidRequest, lambda: JoinedMachines().create(SimpleNamespace(pool="p"), None),  # type: ignore[arg-type]
         "Machines of this driver are added by hand with `herder worker add p`."),
    Case(driver.NotFound, lambda: _pretend().get(WorkerName("w-1")), "Driver pretend has no machine for worker w-1."),
    Case(driver.OutOfCapacity, lambda: _pretend(machines_most=0).create(_spec(), _START), "Driver pretend has 0 machines, the maximum (machines_most)."),
    Case(driver.Unavailable, lambda: _local(Path("/proc/no")).health(), "Cannot use the data folder /proc/no/workers: No such file or directory."),
    Case(driver.OutcomeUnknown, lambda: asyncio.run(_call_past_its_deadline()), "Driver gcp did not answer create of worker w-1 within 0.001 s."),
    Case(driver.DriverFault, _fault_of_a_driver,
         "Driver gcp has a bug in list: it returned 3 instead of a Listing. Herder tries again later. Report this to the author of the driver."),
    Case(DriverFrozenError, lambda: asyncio.run(_asked_of_frozen()), "This server has no driver gcp."),
    Case(NoValue, lambda: value_of(b'{"status": "success", "data": {"resultType": "vector", "result": []}}', 200), "the query returns no data"),
    Case(AgentSettingsError, lambda: from_environment({startup.ACTIVATION_TOKEN: "t"}), "HERDER_SERVER is not set. The driver that created this worker must set it."),
    Case(agent_connection.Refused, _agent_call(401), "The server answered with HTTP status 401: Unknown worker token: the worker was removed."),
    Case(agent_connection.Rejected, _agent_call(409), "The server answered with HTTP status 409: Unknown worker token: the worker was removed."),
    Case(agent_connection.Unreachable, _agent_call(500), "The server answered with HTTP status 500: Unknown worker token: the worker was removed."),
    Case(UnknownRuntime, lambda: open_runtime("java", None, None),  # type: ignore[arg-type]
         "This worker has no runtime 'java'. It has container, noop, process."),
    Case(BadInput, lambda: _parts_of("../x"), "'../x' is not a valid name of an input file. Use a relative path without '..', such as data/in.txt."),
    Case(CommandError, lambda: found_violations(Path("/no/such")), "There is no store in /no/such.", "Name a store with --data-dir or --store."),
    Case(RowFault, lambda: job_of({"command": ["a"], "retries": "many"}, Inputs(Path())), "retries: it must be a whole number, not many"),
    Case(client_errors.NotFoundError, _refused(404, "There is no job 7."), "There is no job 7."),
    Case(client_errors.ConflictError, _refused(409, "Batch 3 has already ended."), "Batch 3 has already ended."),
    Case(client_errors.NotAllowedError, _refused(401, "Unknown token."), "Unknown token.", "Set HERDER_TOKEN_FILE to a file with a token; `herder token create` creates one."),
    Case(client_errors.InvalidError, _refused(422, "Two jobs of the call have the key 'a'."), "Two jobs of the call have the key 'a'."),
    Case(client_errors.ServerError, _answered(500, b"no"), "The server at http://127.0.0.1:8765 answered with HTTP status 500 and no explanation.",
         "Check that this is the address of a Herder server, and read the log of the server."),
    Case(client_errors.UnreachableError, lambda: Transport("ftp://x"), "'ftp://x' is not the address of a server.",
         "Write an address such as http://127.0.0.1:8765 with --server or in HERDER_URL."),
    Case(client_errors.TimedOutError, lambda: wait_until(Transport("http://127.0.0.1:8765"), "Job 7", lambda left_s: None, lambda view: False, 0.0, "Continue waiting with `herder job wait 7`."),
         "Job 7 has not ended after 0 s.", "Continue waiting with `herder job wait 7`."),
    Case(client_errors.TimedOutError, lambda: wait_until(Transport("http://127.0.0.1:8765"), "Job 7", lambda left_s: None, lambda view: False, 0.09999, "Continue waiting with `herder job wait 7`."),
         "Job 7 has not ended after 0.1 s.", "Continue waiting with `herder job wait 7`."),
    Case(ConnectionSettingsError, lambda: find_target(url="http://x", token_file="/no/such", env={}),
         "The token file /no/such (--token-file) cannot be read: No such file or directory.",
         "Check the path and its permissions; `herder token create --save FILE` writes such a file."),
)  # fmt: skip
