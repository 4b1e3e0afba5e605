"""Jobs as the API that Mimir documents takes and shows them: `/api/jobs`, and the record of a job on its queue. Data only.

The record of a job travels with it in the variable `JOB_SPEC`, so that an attempt can read it, and it can be shown again.
"""

from typing import Any, Literal

import msgspec

#: Names of the variables in which the record reaches an attempt.
SPEC = "JOB_SPEC"
PIPELINE = "PIPELINE_ID"
INPUTS = "INPUT_DATASETS"
OUTPUT = "OUTPUT_LOCATION"

Status = Literal[
    "queued", "scheduled", "spawned", "executing", "completed", "failed", "timeout", "cancelled", "cleaned_up"
]


class ResourceRequirements(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Empty: as the job's type says."""

    cpu: str | int | float = ""
    memory: str | int = ""
    gpu: bool | int = False
    """true: one GPU."""


class DataAccess(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    input_datasets: list[str] = []
    output_location: str = ""
    storage_credentials: str = ""
    """The name of a secret. It is shown again; what it names is up to the job."""


class TaskSpec(msgspec.Struct, kw_only=True, omit_defaults=True):
    pipeline_id: str = ""
    parameters: dict[str, Any] = {}


class DocumentedSubmission(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body of `POST /api/jobs`."""

    type: str
    pipeline_id: str = ""
    project_id: str = "default"
    parameters: dict[str, Any] = {}
    resource_requirements: ResourceRequirements = msgspec.field(default_factory=ResourceRequirements)
    data_access: DataAccess = msgspec.field(default_factory=DataAccess)
    priority: int = 0
    """0: as the job's type says."""


class DocumentedJob(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A job as `/api/jobs` shows it. Fields that say nothing are left out."""

    job_id: str
    type: str
    status: Status
    priority: int
    submitted_at: str
    project_id: str
    task_spec: TaskSpec | None = None
    resource_requirements: dict[str, Any] = {}
    data_access: DataAccess | None = None
    started_at: str | None = None
    completed_at: str | None = None
    output_location: str | None = None
    error_message: str | None = None
    retry_count: int = 0


class DocumentedJobs(msgspec.Struct, kw_only=True):
    jobs: list[DocumentedJob]
    """The newest, at most as many as the call asks for."""
    queue_length: int
    """Jobs with a type that wait, of all users."""
    next: str | None = None
    """Send it as `after` for older jobs; null: there are none."""


class Completion(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body of `POST /api/jobs/{id}/complete`: how an attempt says that it has ended."""

    status: Literal["completed", "failed"]
    output_location: str = ""
    error_message: str = ""
    metadata: dict[str, Any] = {}


class Completed(msgspec.Struct, kw_only=True):
    job_id: str
    status: Status
