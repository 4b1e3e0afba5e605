"""The container of one attempt as the engine's API wants it, from the job and its assignment. Pure; used by the container runtime."""

from collections.abc import Mapping, Sequence
from typing import Any

from herder.agent.processes.secret_files import variables_of
from herder.wire.api.secrets import Delivered
from herder.wire.data import checkpoint_path
from herder.wire.worker import startup
from herder.wire.worker.exchange import Assignment, JobPayload

SCRATCH = "/herder/scratch"
"""Where a job finds its folder: its input files, and the place to work in unless it says another."""
RESULT_FOLDER = "/herder/result"
SECRETS_FOLDER = "/herder/secrets"
CHECKPOINT_FOLDER = "/herder/checkpoint"
LABEL_INSTALLATION = "dev.herder.installation"
LABEL_WORKER = "dev.herder.worker"
LABEL_JOB = "dev.herder.job"
LABEL_ATTEMPT = "dev.herder.attempt"
LABEL_AGENT = "dev.herder.agent"
"""Which process of an agent looks after it, so that another one knows what is left over."""
_SHARES_PER_CORE = 1024
_PERIOD_US = 100_000
#: As the engine's default; said because Podman without it takes the limits of its own process, which may be higher than is allowed.
_ULIMITS = [{"Name": "nofile", "Soft": 1024, "Hard": 1024}, {"Name": "nproc", "Soft": 1000, "Hard": 1000}]


def name_of(installation: str, worker: str, assignment: Assignment) -> str:
    return f"herder-{installation}-{worker}-{assignment.job}-{assignment.attempt}"


def container_of(
    assignment: Assignment,
    payload: JobPayload,
    *,
    scratch: str,
    result: str,
    labels: Mapping[str, str],
    names: Mapping[str, str],
    secrets: Sequence[Delivered] = (),
    secrets_folder: str = "",
) -> dict[str, Any]:
    """`scratch`, `result` and `secrets_folder`: folders of this machine. `names`: variables of every attempt of this worker."""
    options = payload.options()
    given = {
        **names,
        startup.JOB_ID: str(assignment.job),
        startup.ATTEMPT: str(assignment.attempt),
        startup.SCRATCH: SCRATCH,
        startup.RESULT: f"{RESULT_FOLDER}/result.json",
        "TMPDIR": "/tmp",
    }
    if checkpoint_path(payload.data, assignment.job):
        given[startup.CHECKPOINT_DIR] = CHECKPOINT_FOLDER
    own = variables_of(secrets, SECRETS_FOLDER if secrets_folder else "")
    environment = {**given, **payload.env, **own}
    body: dict[str, Any] = {
        "Image": payload.image,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "WorkingDir": options.workdir or payload.cwd or SCRATCH,
        "Labels": {**labels, LABEL_JOB: str(assignment.job), LABEL_ATTEMPT: str(assignment.attempt)},
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host(assignment, payload, scratch, result, secrets_folder),
    }
    if payload.command:
        body["Cmd"] = payload.command
    if options.entrypoint is not None:
        body["Entrypoint"] = options.entrypoint
    if options.user:
        body["User"] = options.user
    return body


def _host(
    assignment: Assignment, payload: JobPayload, scratch: str, result: str, secrets_folder: str
) -> dict[str, Any]:
    options = payload.options()
    mounts = [f"{each.source}:{each.target}:{'ro' if each.read_only else 'rw'}" for each in options.mounts]
    if checkpoint := checkpoint_path(payload.data, assignment.job):
        mounts.append(f"{checkpoint}:{CHECKPOINT_FOLDER}:rw")
    if secrets_folder:
        mounts.append(f"{secrets_folder}:{SECRETS_FOLDER}:ro")
    found: dict[str, Any] = {
        "Binds": [f"{scratch}:{SCRATCH}:rw", f"{result}:{RESULT_FOLDER}:rw", *mounts],
        "NetworkMode": options.network,
        "LogConfig": {"Type": "none"},
        "Ulimits": _ULIMITS,
        "CpuShares": max(2, assignment.cpu_milli * _SHARES_PER_CORE // 1000),
        "SecurityOpt": ["no-new-privileges"],
        "Init": False,
    }
    if assignment.cpu_hard:
        found |= {"CpuPeriod": _PERIOD_US, "CpuQuota": max(1000, assignment.cpu_milli * _PERIOD_US // 1000)}
    if assignment.memory_mib:
        limit = assignment.memory_mib * 2**20
        found |= {"Memory": limit, "MemorySwap": limit}
    if assignment.gpu:
        found["DeviceRequests"] = [{"Driver": "", "Count": assignment.gpu, "Capabilities": [["gpu"]]}]
    return found
