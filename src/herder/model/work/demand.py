"""Demand: groups of equal requests for capacity, whatever their source, and their requirements on a worker.

Jobs of one class are one source (`observed.QueuedClass`); pending pods, requests and floors of schedules are others (`ShapeGroup`).
The planner's triggers work on groups and on what each `Asks`, never on a source. Requirements are Kubernetes' own: labels, node
affinity with operators, tolerations; a job's selector is its simple form. Data only: `decide/eligibility/affinity.py` says what fulfils them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from herder.model.fleet.pool import Toleration
from herder.model.ids import ClassId, UserName
from herder.model.values.resources import Resources
from herder.model.work.apart import Apart


class Operator(StrEnum):
    """As in Kubernetes' node affinity."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Expression:
    """Something about one label. `values`: of In and NotIn one or more, of Gt and Lt one whole number, of the others none."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()


#: All of these hold.
Term = tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """`required`: one of these terms holds, where there are any. `preferred`: terms with weights; the more hold the better."""

    required: tuple[Term, ...] = ()
    preferred: tuple[tuple[int, Term], ...] = ()


NO_AFFINITY = Affinity()


class Work(StrEnum):
    """What a worker must take, that one of a group can run there."""

    JOBS = "jobs"
    PODS = "pods"


class Asks(Protocol):
    """What one thing of a group asks for: all that planning may look at. A `JobClass` is one."""

    @property
    def work(self) -> Work: ...
    @property
    def user(self) -> UserName: ...
    @property
    def project(self) -> str: ...
    @property
    def pool(self) -> str: ...
    @property
    def cluster(self) -> str: ...
    @property
    def request(self) -> Resources: ...
    @property
    def priority(self) -> int: ...
    @property
    def selector(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def affinity(self) -> Affinity: ...
    @property
    def tolerations(self) -> tuple[Toleration, ...]: ...
    @property
    def gpu_share_milli(self) -> int: ...
    @property
    def gpu_models(self) -> tuple[str, ...]: ...
    @property
    def gpus_asked(self) -> int | float: ...


class DemandSource(StrEnum):
    QUEUED_JOBS = "queued_jobs"
    PENDING_PODS = "pending_pods"
    REQUEST = "request"
    SCHEDULE_FLOOR = "schedule_floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandGroup:
    """`class_id`: its number in the observation; of job classes theirs, of other sources below zero."""

    class_id: ClassId
    count: int
    oldest_ready_at_ms: int
    """Since when the oldest of them waits."""
    source: DemandSource = DemandSource.QUEUED_JOBS

    @property
    def asks(self) -> Asks:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one pod or requested place asks for. `pool`: a pool's name, or "auto"."""

    request: Resources
    user: UserName
    work: Work = Work.PODS
    project: str = "default"
    pool: str = "auto"
    cluster: str = ""
    """Of a pod: in which cluster it waits. It can run in no other."""
    priority: int = 0
    selector: tuple[tuple[str, str], ...] = ()
    affinity: Affinity = NO_AFFINITY
    tolerations: tuple[Toleration, ...] = ()
    gpu_share_milli: int = 1000
    gpu_models: tuple[str, ...] = ()
    apart: Apart | None = None
    """Rules about other pods; None: there are none."""

    @property
    def gpus_asked(self) -> int | float:
        return self.request.gpu


def apart_of(asks: Asks) -> Apart | None:
    return asks.apart if isinstance(asks, Shape) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeGroup(DemandGroup):
    """Equal things of a source that has no job classes."""

    shape: Shape

    @property
    def asks(self) -> Asks:
        return self.shape
