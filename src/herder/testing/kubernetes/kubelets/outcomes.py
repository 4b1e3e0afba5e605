"""How the containers of a played pod go: how long they run, and how they end. Annotations of the pod say so, or its owner.

`testing.herder.dev/run-s`, `exit-code`, `reason` (OOMKilled), `image` (missing), `stop-s` (how long it takes to stop), `log`,
`use-cpu` and `use-memory` (what the metrics API shows).
"""

from dataclasses import dataclass

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import milli
from herder.testing.kubernetes.settings import ClusterSettings

PREFIX = "testing.herder.dev/"
#: An image whose name begins so cannot be pulled.
MISSING = "missing/"
OOM_CODE, TERM_CODE, KILL_CODE, LOST_CODE = 137, 143, 137, 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    run_ms: int | None
    """None: until it is deleted."""
    exit_code: int = 0
    reason: str = ""
    log: bytes = b""
    stop_ms: int = 0

    @property
    def why(self) -> str:
        return self.reason or ("Completed" if self.exit_code == 0 else "Error")


def annotation(pod: Json, name: str) -> str:
    found: str = (pod["metadata"].get("annotations") or {}).get(PREFIX + name, "")
    return found


def owned_by_job(pod: Json) -> bool:
    return any(each.get("kind") == "Job" for each in pod["metadata"].get("ownerReferences") or ())


def outcome_of(pod: Json, settings: ClusterSettings) -> Outcome:
    seconds = annotation(pod, "run-s")
    run_ms: int | None = settings.job_pod_runs_ms if owned_by_job(pod) else None
    if seconds:
        run_ms = int(float(seconds) * 1000)
    reason = annotation(pod, "reason")
    code = annotation(pod, "exit-code")
    return Outcome(
        run_ms=run_ms,
        exit_code=int(code) if code else OOM_CODE if reason == "OOMKilled" else 0,
        reason=reason,
        log=annotation(pod, "log").encode(),
        stop_ms=int(float(annotation(pod, "stop-s") or 0) * 1000),
    )


def image_missing(pod: Json) -> str:
    """The first image that cannot be pulled."""
    if annotation(pod, "image") == "missing":
        return str(pod["spec"]["containers"][0]["image"])
    for part in ("initContainers", "containers"):
        for each in pod["spec"].get(part) or ():
            if str(each.get("image", "")).startswith(MISSING):
                return str(each["image"])
    return ""


def use_of(pod: Json, requests: dict[str, int]) -> tuple[int, int]:
    """CPU in thousandths, memory in bytes: as annotated, else what it requests."""
    cpu, memory = annotation(pod, "use-cpu"), annotation(pod, "use-memory")
    cpu_milli = milli(cpu) if cpu else requests.get("cpu", 0)
    memory_bytes = (milli(memory) if memory else requests.get("memory", 0)) // 1000
    return cpu_milli, memory_bytes
