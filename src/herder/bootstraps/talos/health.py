"""What a Talos machine says of itself, as `SystemSeen`. Pure: called by `bootstrap` with the answers of the API."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from herder.model.fleet.node import NodeCondition
from herder.model.fleet.repair import Condition
from herder.model.values.phrases import clause, counted, listed, sentences
from herder.ports.bootstrap import Stage, SystemSeen

if TYPE_CHECKING:
    from herder.remote.talos.client import MachineState
    from herder.remote.talos.messages.machine_pb2 import ServiceEvent, ServiceInfo

_RUNNING = 4
#: By the number of the stage in the messages.
STAGES = {
    1: Stage.BOOTING,
    2: Stage.BOOTING,
    3: Stage.MAINTENANCE,
    _RUNNING: Stage.RUNNING,
    5: Stage.BOOTING,
    6: Stage.STOPPING,
    7: Stage.STOPPING,
    8: Stage.UPGRADING,
}
#: So many restarts of a service within this time are a condition.
RESTARTS = 3
WINDOW_S = 600
#: What Talos writes when it starts a service again that has ended by itself.
_RESTARTED = "going to restart"
_WATCHED = (("kubelet", Condition.KUBELET_CRASH_LOOP), ("cri", Condition.RUNTIME_CRASH))
_TEXT_MAX = 300


def seen(
    version: str, state: "MachineState", services: Sequence["ServiceInfo"], now_ms: int, wanted: str = ""
) -> SystemSeen:
    """`wanted`: the version that it is to be upgraded to; empty: whatever it has."""
    by_id = {each.id: each for each in services}
    watched = [(by_id[name], condition) for name, condition in _WATCHED if name in by_id]
    sick = [service for service, _ in watched if not _well(service)]
    unmet = [f"{name} ({clause(reason)})" if reason else name for name, reason in state.unmet[:5]]
    parts = [f"Talos waits for {listed(unmet)}"] if unmet else []
    for service in sick:
        last = clause(service.health.last_message)
        parts.append(f"Service {service.id} is {service.state or 'unknown'}" + (f": {last}" if last else ""))
    conditions = [_crashes(service, condition, now_ms) for service, condition in watched]
    if wanted and version and version != wanted:
        text = f"It runs Talos {version}, and its bootstrap wants {wanted}."
        conditions.append(NodeCondition(condition=Condition.OUTDATED, since_ms=now_ms, text=text))
    return SystemSeen(
        stage=STAGES.get(state.stage, Stage.UNKNOWN),
        ready=state.ready and state.stage == _RUNNING and not sick,
        version=version,
        text=sentences(*(each[:_TEXT_MAX] for each in parts)),
        conditions=tuple(each for each in conditions if each is not None),
    )


def _well(service: "ServiceInfo") -> bool:
    return service.state == "Running" and (service.health.unknown or service.health.healthy)


def _crashes(service: "ServiceInfo", condition: Condition, now_ms: int) -> NodeCondition | None:
    restarts_ms = [_at_ms(each) for each in service.events.events if _RESTARTED in each.msg]
    recent_ms = [each for each in restarts_ms if now_ms - WINDOW_S * 1000 < each <= now_ms + WINDOW_S * 1000]
    if len(recent_ms) < RESTARTS:
        return None
    times = counted(len(recent_ms), "time")
    text = f"Service {service.id} ended by itself {times} in the last {WINDOW_S // 60} min."
    return NodeCondition(condition=condition, since_ms=recent_ms[-1], text=text, count=len(recent_ms))


def _at_ms(event: "ServiceEvent") -> int:
    """Not by the library, which raises at a time that cannot be."""
    return event.ts.seconds * 1000 + event.ts.nanos // 1_000_000
