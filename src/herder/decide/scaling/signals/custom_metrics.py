"""The number of workers for a custom metric: the value divided by the share of one worker, as in HPA and KEDA.

Called by the trigger `metric` and by scale-down (through `utilisation`), which never goes below what the trigger would make again. A
value that is missing or too old is unknown: then the pool neither grows for it nor gives up idle workers.
"""

from dataclasses import replace

from herder.decide.scaling.proposals import TriggerResult, WorkerRequest
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.metric import Metric, MetricReading, ValueIs
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, clause, counted


def wanted(view: PoolView, metric: Metric, value: float) -> float:
    """How many workers, not rounded. A mean is over the workers that are ready: it says nothing of others."""
    if value <= metric.activation or value <= 0:
        return 0.0
    if metric.value is ValueIs.TOTAL:
        return value / metric.per_worker
    ready = sum(worker.state is WorkerState.READY and not worker.cordoned for worker in view.staying)
    return max(1, ready) * value / metric.per_worker


def whole(workers: float) -> int:
    """Rounded up; a sum of floats that is above a whole number by nothing is that number."""
    return max(0, -int(-(workers - 1e-9) // 1))


def ask(view: PoolView, workers: int) -> TriggerResult:
    """`workers`: there, coming and made by this plan, without those that leave."""
    asks, notes = [], []
    for metric, reading in view.metrics:
        if reading is None or reading.value is None:
            notes.append(_unknown(view, metric, reading))
            continue
        want = wanted(view, metric, reading.value)
        reason = _reason(view, metric, reading, workers, want)
        if want > workers * (1 + metric.tolerance):
            count = min(view.spec.size.max_workers, whole(want) - workers)
            asks.append(WorkerRequest(pool=view.spec.name, count=count, reason=reason))
        elif reading.fault:
            notes.append(replace(reason, kind=ReasonKind.WAITING_ON_OBSERVATION))
    return TriggerResult(asks=tuple(asks), notes=tuple(notes))


def kept_for(view: PoolView, workers: int) -> Reason | None:
    """Why the pool cannot do with so many workers."""
    for metric, reading in view.metrics:
        if reading is None or reading.value is None:
            return _unknown(view, metric, reading)
        want = whole(wanted(view, metric, reading.value))
        if workers < min(want, view.spec.size.max_workers):
            return _reason(view, metric, reading, workers + 1, want, " Idle workers are kept.")
    return None


def _reason(
    view: PoolView, metric: Metric, reading: MetricReading, workers: int, want: float, so: str = ""
) -> Reason:
    value = reading.value or 0.0
    kind = "in total" if metric.value is ValueIs.TOTAL else "on average"
    text = (
        f"Metric {metric.name} of pool {view.spec.name} is {value:g} {kind}, and one worker takes {metric.per_worker:g}: "
        f"{counted(whole(want), 'worker')} {agree(whole(want), 'is', 'are')} wanted, {workers} "
        f"{agree(workers, 'exists or is', 'exist or are')} starting.{so}"
    )
    if reading.fault:
        text += f" The last query failed ({clause(reading.fault)}), so an older value is used."
    evidence = (
        ("metric", metric.name),
        ("value", value),
        ("as_of_ms", reading.at_ms or 0),
        ("per_worker", metric.per_worker),
        ("activation", metric.activation),
        ("wanted_workers", whole(want)),
        ("workers", workers),
        (
            "flips",
            f"a value of {metric.activation:g} or less, or per_worker of {value / max(1, workers):g} or more",
        ),
    )
    return Reason(kind=ReasonKind.CUSTOM_METRIC, text=text, evidence=evidence)


def _unknown(view: PoolView, metric: Metric, reading: MetricReading | None) -> Reason:
    fault = clause(reading.fault) if reading is not None and reading.fault else "it has not been read yet"
    text = (
        f"Metric {metric.name} of pool {view.spec.name} is unknown ({fault}). Until it is known, the pool creates no workers for it and "
        "keeps its idle workers."
    )
    evidence = (
        ("metric", metric.name),
        ("source", metric.source),
        ("keep_s", metric.keep_s),
        ("flips", "an answer with one number"),
    )
    return Reason(kind=ReasonKind.WAITING_ON_OBSERVATION, text=text, evidence=evidence)
