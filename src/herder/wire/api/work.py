"""Jobs, batches and attempts as the API takes and shows them.

Sent by clients, and answered by reads. Data only.
"""

from typing import Any, Literal

import msgspec

from herder.wire.api.callbacks import CallbackView
from herder.wire.data import JobData
from herder.wire.worker.exchange import ContainerOptions, SecretUse, WarmPython


class Expression(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A condition on one label, as in the node affinity of Kubernetes."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[str] = []


class OnRetry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the next attempt asks for otherwise than the one before."""

    memory_factor: float = 1.0
    """After out of memory it requests so many times the memory: 2. Such an attempt is none of `retries`. 1: the same memory."""
    memory_max: str | int = ""
    """It never requests more: "64Gi". Empty: up to the memory of the largest worker."""
    on_demand_after: int | None = None
    """When so many spot workers were taken back under it, it only runs on workers that are not spot."""


class JobSubmission(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One job. CPU in cores ("500m", 2), memory and disk with a unit ("512Mi", "4Gi"). `parents` are the keys or zero-based positions (in the
    batch) of other jobs: any of earlier calls, and any of this call, earlier or later."""

    command: list[str] = []
    key: str | None = None
    """A name that is unique in the batch, to refer to in `parents` and to find the job by."""
    env: dict[str, str] = {}
    stdin: str = ""
    inputs: dict[str, str] = {}
    """Files that it finds where it runs: name → text. One that begins with `#!` can be started."""
    data: JobData | None = None
    """Inputs and outputs by URL."""
    cwd: str = ""
    """An absolute path of a folder that is there on its worker's machine, to run in; its scratch folder if empty."""
    cpu: str | int | float = "100m"
    cpu_limit: Literal["", "weight", "hard"] = ""
    """weight: a share of the CPU when it is short, more when it is idle. hard: never more than `cpu`. Empty: as the pool says."""
    memory: str | int = "128Mi"
    memory_profile: str = ""
    """Jobs with the same one do the same: what those before it have used is requested in place of `memory`. Needs `on_retry.memory_factor`."""
    disk: str | int = 0
    gpu: int | float = 0
    """Whole GPUs, or a share of one: 0.25."""
    gpu_model: str = ""
    """Any of these will do: "a100|h100"."""
    resources: dict[str, str | int] = {}
    """What else of a worker it needs, by the names that the server declares: {"licence/abaqus": 1}."""
    pool: str = "auto"
    project: str | None = None
    """Whose quota it counts against. Jobs of a batch are of the batch's project; single ones without are of `default`."""
    priority: int | str = 0
    """A number, higher is more urgent, or the name of a priority class."""
    type: str = ""
    """One of the server's job types: what the job does not say comes from it, and its limits hold."""
    runtime: str = "process"
    image: str = ""
    """Runs in a container of this image; `command` may be empty then: what the image starts."""
    container: ContainerOptions | None = None
    warm_python: WarmPython | None = None
    """Run the command, `PYTHON SCRIPT [ARGUMENTS]`, in a fork of an interpreter that its worker keeps for the user."""
    secrets: list[SecretUse] = []
    """Secrets that each attempt gets: [{name: db, env: DB_PASSWORD}, {name: key, file: keys/id}]."""
    shred: bool = False
    """The files of its scratch folder are overwritten before they are removed."""
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    """It fails when no worker has started it so long after it became ready."""
    deadline: str = ""
    """It is cancelled when it has not ended by then: a time ("2026-12-01T06:00:00+01:00"), or from the submission on ("+2h")."""
    retries: int = 0
    attempts_max: int = 20
    on_retry: OnRetry | None = None
    """More memory after out of memory, and on-demand workers after preemptions."""
    parents: list[str | int] = []
    parents_results: bool = False
    always_run: bool = False
    selector: dict[str, str] = {}
    tolerations: list[dict[str, str]] = []
    affinity: list["Expression"] = []
    """What labels of a worker must be, beyond the selector: all of these hold."""
    sleep_ms: int = 0
    group: str = ""
    """Of the batch: `align`, or `align/sample-1` for one below it. A group that there is not yet is made."""
    attributes: dict[str, str] = {}
    """What people want to find it by; the job does not see them."""


class GroupCreate(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A job group with settings. Groups without are made by the first job that names them."""

    path: str
    """Names with slashes between them; a group above that there is not yet is made."""
    attributes: dict[str, str] = {}
    cancel_after_failures: int | None = None
    """The group is cancelled when so many of its jobs have failed, those of the groups below counted."""


class BatchCreate(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    name: str = ""
    project: str = "default"
    attributes: dict[str, str] = {}
    cancel_after_failures: int | None = None
    parallel_max: int | None = None
    """At most so many of its jobs are queued or run at once; the others wait for their turn."""
    keep_open: bool = False
    """Jobs may be added also after the commit, and the batch does not end before it is closed."""
    groups: list[GroupCreate] = []
    callback: str = ""
    """A URL that is called with a signed message when the batch has ended."""
    jobs: list[JobSubmission] = []
    """Up to 10,000 jobs may travel along; with `commit` the whole batch is one call."""
    commit: bool = False
    earlier_jobs: int = 0
    """Only in a dry run of a batch of several calls: how many jobs the calls before this one had."""
    earlier_keys: dict[str, int] = {}
    """And where those of them stand that this call names."""


class JobsAdd(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    jobs: list[JobSubmission]
    groups: list[GroupCreate] = []


class JobsAdded(msgspec.Struct, kw_only=True):
    batch: int | None
    first_job: int
    """Jobs get consecutive ids: the n-th of this call is `first_job + n`."""
    count: int


class BatchView(msgspec.Struct, kw_only=True):
    id: int
    name: str
    user: str
    project: str
    state: Literal["open", "running", "succeeded", "failed", "cancelled"]
    jobs: int
    counts: dict[str, int]
    """By job state: pending, blocked, ready, running, succeeded, failed, cancelled, skipped."""
    cost_usd: str
    created_at: str
    committed_at: str | None
    ended_at: str | None
    attributes: dict[str, str]
    held: bool = False
    """Its jobs that have not started wait until it is released."""
    parallel_max: int | None = None
    accepts_jobs: bool = False
    """Jobs can be added: it is not committed, or was created with `keep_open` and is not closed."""
    callback: CallbackView | None = None
    """The message about its end; in lists always None."""


class GroupView(msgspec.Struct, kw_only=True):
    """A job group; what is said includes the groups below it."""

    batch: int
    path: str
    state: Literal["open", "running", "succeeded", "failed", "cancelled"]
    jobs: int
    counts: dict[str, int]
    """By job state."""
    cost_usd: str | None
    """Of the attempts that have ended. None: unknown, since the group is from before groups had costs."""
    attributes: dict[str, str]
    cancel_after_failures: int | None


class AttemptView(msgspec.Struct, kw_only=True):
    attempt: int
    worker: str
    state: str
    cause: str
    message: str
    exit_code: int | None
    assigned_at: str
    started_at: str | None
    ended_at: str | None
    cpu_s: float
    memory_peak_mib: int | None
    """None: not known (a short attempt that used less than the agent itself)."""
    cost_usd: str
    bytes_in: int = 0
    bytes_out: int = 0
    """Of inputs and outputs by URL."""
    memory_mib: int | None = None
    """What it requested; None: the server is of an older version."""
    bytes_cached: int = 0
    """Of `bytes_in`, what the worker had in its cache."""


class JobView(msgspec.Struct, kw_only=True):
    id: int
    batch: int | None
    key: str | None
    user: str
    project: str
    state: str
    pool: str
    priority: int
    runtime: str
    cpu_milli: int
    memory_mib: int
    disk_mib: int
    gpu: int | float
    attempts: int
    exit_code: int | None
    cause: str
    message: str
    created_at: str
    ready_at: str | None
    started_at: str | None
    ended_at: str | None
    resources: dict[str, int] = {}
    type: str = ""
    """Its job type; empty: none."""
    retry_at: str | None = None
    """A worker failed it: it is not tried again before this time."""
    group: str = ""
    """The path of its job group; empty: it is in none."""
    attributes: dict[str, str] = {}
    deadline: str | None = None
    """When it is cancelled if it has not ended."""


class JobDetail(JobView, kw_only=True):
    payload: dict[str, Any]
    parents: list[int]
    result: Any
    history: list[AttemptView]
    pool_reason: str = ""
    """Of one with `pool: auto` that has not ended: the cheapest pool that can hold it, and the others."""


class JobTypeView(msgspec.Struct, kw_only=True):
    name: str
    description: str
    priority: int
    max_concurrent: int | None
    resource_weight: float
    """Slots that one running job takes of `fair_share: job_types`."""
    running_jobs: int
    queued_jobs: int
    """Of all users."""
    may_start: int | None
    """So many more jobs may start now; null: there is no limit."""


class EndedJob(msgspec.Struct, kw_only=True):
    """A job that has ended, with its result."""

    id: int
    key: str | None
    state: str
    """succeeded, failed, cancelled or skipped."""
    exit_code: int | None
    cause: str
    message: str
    attempts: int
    result: Any = None
    """What its last attempt wrote to `$HERDER_RESULT`; also of one that failed."""


class EndedJobs(msgspec.Struct, kw_only=True):
    ended: list[EndedJob]
