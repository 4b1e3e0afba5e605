"""The worker protocol: activation and the one exchange call.

Loss, repetition and reordering are harmless: the answer to an exchange is the receipt for everything in it; assignments
are repeated until the worker names their answer's number in `ack`; results are kept by the worker until receipted; all are
keyed by (job, attempt).
"""

from typing import Annotated, Literal

import msgspec

from herder.wire.data import JobData

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a database holds as an integer: a worker that says more is refused, and cannot stop the server with it."""


class ActivateRequest(msgspec.Struct, kw_only=True):
    """Sent once with the activation token as bearer. Repeating it with the same `nonce` gives the same answer."""

    nonce: str
    pid: int = 0
    hostname: str = ""
    version: str = ""
    cpu_milli: int = 0
    memory_mib: int = 0
    disk_mib: int = 0


class JoinRequest(msgspec.Struct, kw_only=True):
    """Sent with a join token as bearer by a machine that people added by hand. The same `nonce` gives the same answer."""

    nonce: str
    hostname: str = ""
    cpu_milli: int = 0
    memory_mib: int = 0
    disk_mib: int = 0


class JoinAnswer(msgspec.Struct, kw_only=True):
    """Which worker the machine is from now on; it activates as that one."""

    worker: str
    activation_token: str


class ActivateAnswer(msgspec.Struct, kw_only=True):
    worker: str
    token: str
    poll_s: float
    """How long the server may hold an exchange open when there is nothing to say."""
    beat_s: float
    """The worker exchanges at least this often."""
    self_delete_after_s: float
    """Cut off from the server for longer than this, the worker stops its attempts and removes itself."""
    cpu_milli: int
    memory_mib: int
    disk_mib: int
    gpu: int
    slots: int
    log_bytes: int = 0
    """Output that is kept of an attempt, head and tail together; 0: as much as the agent would."""
    servers: list[str] = []
    """Addresses of all servers of the installation, the best one first; empty where there is one."""
    installation: str = ""
    """Of the server: the ids of traces are derived from it. Empty: an older server."""


NO_RESULT = msgspec.Raw(b"null")
"""Compare with it first: to read what a `Raw` holds takes forty times as long."""


class Finished(msgspec.Struct, kw_only=True, array_like=True):
    """The end of one attempt. `state` and `cause` as in `model.work.job`; times are the worker's clock."""

    job: int
    attempt: int
    state: Literal["succeeded", "failed", "cancelled"]
    started_at_ms: Whole
    ended_at_ms: Whole
    exit_code: Whole | None = None
    cause: str = ""
    message: str = ""
    result: msgspec.Raw = NO_RESULT
    """JSON; null = there is none. (Not `Raw | None`: msgspec then refuses everything but null.)"""
    cpu_ms: Whole = 0
    memory_peak_mib: Whole = 0
    bytes_in: Whole = 0
    bytes_out: Whole = 0
    """Of inputs and outputs by URL."""
    bytes_cached: Whole = 0
    """Of `bytes_in`, what the worker had in its cache."""
    bytes_in_cache: Whole = 0
    """Of `bytes_in`, what it has there since then."""


class LogChunk(msgspec.Struct, kw_only=True, array_like=True):
    """Output of an attempt from byte `offset` on (stdout and stderr together, as text; invalid bytes replaced).

    Offsets count the UTF-8 bytes of the text of the chunks before this one: chunks join without gaps.
    """

    job: int
    attempt: int
    offset: Whole
    text: str


class ExchangeRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`number` grows by one with each exchange of this worker process; the server drops what is older than what it saw."""

    number: int
    ack: int = 0
    """The number of the last answer whose assignments this worker has taken over."""
    finished: list[Finished] = []
    started: list[tuple[int, int, Whole]] = []
    """(job, attempt, started_at_ms): attempts that began and have not ended."""
    logs: list[LogChunk] = []
    held: list[tuple[int, int]] | None = None
    """Every (job, attempt) that the worker holds, running or waiting; sent at start and every beat, None in between."""
    use: tuple[Whole, Whole] | None = None
    """(thousandths of a core on average since the last time, MiB now) that the worker's processes use; when asked for."""
    troubles: list[str] = []
    """What keeps this worker from starting attempts, as sentences for people; empty when it is well. In every exchange."""
    conditions: list[tuple[str, str]] = []
    """(condition, message) of what presses on this machine, by the names of `model/fleet/repair.py`; unknown ones are passed over."""
    clock_ms: Whole | None = None
    """The wall clock of this machine, with each beat. Whoever sends it understands `clean_up`."""
    cleaned: str = ""
    """What a clean-up that the server asked for has done, as a sentence."""
    interrupted_ms: Whole | None = None
    """The machine is taken back in so long, counted by the worker when it sends this; in every exchange from the notice on."""
    wait: bool = True
    """False: answer at once, do not hold the call open."""
    leaving: bool = False
    """The worker has stopped everything and is about to go."""


class Assignment(msgspec.Struct, kw_only=True, array_like=True):
    """One attempt to run. `payload` is the `JobPayload` as it was submitted, untouched (or with its parents' results)."""

    job: int
    attempt: int
    runtime: str
    cpu_milli: int
    memory_mib: int
    disk_mib: int
    gpu: int
    timeout_ms: int | None
    payload: msgspec.Raw
    cpu_hard: bool = False
    """CPU is a cap: never more than `cpu_milli`. Else it is a weight, and what is idle may be used."""
    fetch: bool = False
    """Its parents' results are too large to travel along: GET `/attempts/JOB/ATTEMPT/inputs` gives `parents.json`."""
    secrets: bool = False
    """It uses secrets, which never travel in an exchange: GET `/attempts/JOB/ATTEMPT/secrets` gives their values."""


#: The input that holds the results of a job's parents.
PARENTS_FILE = "parents.json"


class Refusal(msgspec.Struct, kw_only=True, array_like=True):
    """One item of a report that could not be taken, by its list and its place there. The others were."""

    kind: Literal["finished", "started", "logs"]
    index: int
    reason: str


class ExchangeAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    number: int
    """Answers of one server process to this worker are numbered from 1 on; 0 = nothing was assigned in this one."""
    assign: list[Assignment] = []
    cancel: list[tuple[int, int]] = []
    """Attempts to stop now and report as cancelled (also fenced ones: stop, nothing needs reporting)."""
    drain: bool = False
    """Take nothing new; leave when the last attempt has been reported."""
    stop: bool = False
    """Stop now: the worker was removed, and its attempts are retried on other workers."""
    use: bool = False
    """Say with each beat what is used."""
    clean_up: bool = False
    """Remove what ended attempts left in the work folder, and say so in `cleaned`. Repeated until that has come."""
    deadline_ms: Whole | None = None
    """The machine is taken back: attempts may run for so long from now on."""
    refused: list[Refusal] = []
    """Items of the report that cannot be taken however often they are sent."""
    servers: list[str] = []
    """Addresses of all servers of the installation, the best one first; empty when nothing has changed since they were told."""


class Mount(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A folder or file of the worker's machine that a container sees."""

    source: str
    target: str
    read_only: bool = False


class ContainerOptions(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the container of a job is made, beyond its image and command."""

    pull: Literal["if_not_present", "always", "never"] = "if_not_present"
    entrypoint: list[str] | None = None
    """Instead of the image's; an empty list: none."""
    user: str = ""
    """USER or UID[:GID]; empty: as the image says."""
    workdir: str = ""
    """Where the command runs; empty: the folder of the job's input files."""
    network: Literal["default", "none", "host"] = "default"
    mounts: list[Mount] = []


class WarmPython(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The command is `PYTHON SCRIPT [ARGUMENTS]`, and may run in a fork of an interpreter that its worker keeps for its user. A worker that
    has none starts the command as any other."""

    preload: list[str] = []
    """Modules that the interpreter has imported before it forks."""


class SecretUse(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A secret that each attempt of a job gets: as a variable, or as a file below `$HERDER_SECRETS`."""

    name: str
    env: str = ""
    file: str = ""
    scope: Literal["", "user", "project"] = ""
    """Whose it is. Empty: the user's, else that of the job's project; the server writes down which."""


class JobPayload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a runtime needs: the part of a job that scheduling never looks at."""

    data: JobData | None = None
    """Inputs and outputs by URL. The first field, by which they are found (`wire.data.has_data`)."""
    command: list[str] = []
    env: dict[str, str] = {}
    stdin: str = ""
    inputs: dict[str, str] = {}
    """Files to write into the scratch folder before the start: name → text (small ones). One that begins with `#!` can be started."""
    cwd: str = ""
    """Where to run instead of the scratch folder."""
    sleep_ms: int = 0
    """For the `noop` runtime: how long to pretend to work."""
    image: str = ""
    """For the `container` runtime: NAME[:TAG] or NAME@DIGEST."""
    container: ContainerOptions | None = None
    warm_python: WarmPython | None = None
    user: str = ""
    """Only with `warm_python` or inputs by URL: whose interpreter it is, and whose inputs it may find in the cache of its worker."""
    shred: bool = False
    """Its files are overwritten before they are removed."""
    secrets: list[SecretUse] = []
    """Their names; the values are fetched by the attempt alone."""

    def options(self) -> ContainerOptions:
        return self.container or ContainerOptions()
