"""Why a pod of a cluster waits: whether it is demand, which pools could take it, and what they wait for. By the planner's own steps."""

import asyncio
from functools import partial

from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.kernel.core import Core
from herder.control.planning.observation import observe_now
from herder.decide.plan.why_waiting import why_waiting
from herder.engine.memory.worker_node import ClusterLife
from herder.model.planning.cluster import PodSeen
from herder.model.values.phrases import agree, counted, listed, sentences
from herder.model.values.times import span
from herder.wire.api.resources import Explanation, ReasonView


async def why_pod(core: Core, namespace: str, name: str, cluster: str | None) -> Explanation:
    """Raises NotKnown and Invalid."""
    where, pod = _found(core, namespace, name, cluster)
    life = core.state.clusters.get(where, ClusterLife())
    subject = f"Pod {namespace}/{name} of cluster {where}"
    old = sentences(f"Cluster {where} is not seen, so nothing is decided for its pods", life.stale)
    facts = [_fact("not_seen", old)] if life.stale else []
    if pod.node:
        summary = _placed(core, subject, pod.node)
    elif pod.shape is None:
        summary = f"{subject} is not considered. {pod.because}"
    else:
        waits = await _waiting(core, life, pod)
        since = span(max(0, core.clock.now_ms() - pod.since_ms))
        others = _count(life, pod) - 1
        like = (
            f" {counted(others, 'other pod')} like it {agree(others, 'waits', 'wait')}." if others > 0 else ""
        )
        facts += waits
        summary = (
            f"{subject} is demand: its scheduler has found no node for it for {since}.{like} {facts[0].text}"
        )
    return Explanation(subject=f"pod/{namespace}/{name}", summary=summary, facts=facts)


def _found(core: Core, namespace: str, name: str, cluster: str | None) -> tuple[str, PodSeen]:
    if cluster is not None and cluster not in core.clusters:
        known = ", ".join(sorted(core.clusters)) or "none"
        raise NotKnown(f"This server has no cluster {cluster[:50]!r}.", hint=f"The server has {known}.")
    asked = sorted(core.clusters) if cluster is None else [cluster]
    found = [(each, pod) for each in asked if (pod := core.clusters[each].pod(namespace, name)) is not None]
    if len(found) > 1:
        raise Invalid(
            f"Clusters {listed([each for each, _ in found])} each have a pod {namespace}/{name}.",
            hint="Name one of them with --cluster.",
        )
    if not found:
        raise NotKnown(
            f"No pod {namespace[:63]}/{name[:253]} runs or waits in {'any cluster' if cluster is None else f'cluster {cluster}'} of this server.",
            hint="A pod that has ended, or that its scheduler has not looked at yet, is not known: see kubectl describe pod.",
        )
    return found[0]


def _placed(core: Core, subject: str, node: str) -> str:
    for worker in core.state.workers.values():
        if worker.node is not None and worker.node.name == node and not worker.state.ended:
            return (
                f"{subject} is on node {node}, which is worker {worker.spec.name} of pool {worker.spec.pool}."
            )
    return f"{subject} is on node {node}, which is not a worker of this server."


def _count(life: ClusterLife, pod: PodSeen) -> int:
    return next((group.count for group in life.seen.pending if group.shape == pod.shape), 0)


async def _waiting(core: Core, life: ClusterLife, pod: PodSeen) -> list[ReasonView]:
    """Never empty."""
    known = None if pod.shape is None else life.numbers.get(pod.shape)
    if known is None:
        text = "Herder has not planned for it yet. Ask again in a few seconds."
        return [_fact("not_planned", text)]
    number, shape = known
    answer = await core.planning.ask(partial(observe_now, core))
    async with core.planning.turn:
        await asyncio.sleep(0)  # others come first who have waited meanwhile
        reasons = why_waiting(number, shape, answer.observed, core.clock.now_ms(), steps=answer.steps)
    return [ReasonView(kind=each.kind, text=each.text, evidence=dict(each.evidence)) for each in reasons]


def _fact(kind: str, text: str) -> ReasonView:
    return ReasonView(kind=kind, text=text, evidence={})
