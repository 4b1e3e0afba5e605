"""What one pod means to Herder: it loads a node, waits for one, waits and cannot be demand, or neither. Pure; called by `picture`.

A pod is demand when its scheduler has found no place for it, by its condition: not gated, not going, not waiting for a volume. A rule that
packing does not honour excludes the pod, with a sentence that names it: it is never guessed that the pod would fit.
"""

from collections.abc import Callable
from dataclasses import dataclass

from herder.memberships.kubernetes import objects
from herder.memberships.kubernetes.demand.pod_rules import Identity, Nodes, NotHonoured, identity_of
from herder.memberships.kubernetes.demand.requests import NamesOfResources, effective
from herder.memberships.kubernetes.quantities import QuantityError
from herder.model.fleet.pool import TaintEffect, Toleration
from herder.model.ids import UserName
from herder.model.values.resources import Resources
from herder.model.work.demand import NO_AFFINITY, Affinity, Expression, Operator, Shape, Term, Work
from herder.remote.kubernetes.objects import moment_ms

#: Pods belong to no user of Herder.
OWNER = UserName("kubernetes")
DEFAULT_SCHEDULER = "default-scheduler"
#: The API server gives these tolerations to every pod, for 300 s: no pool can be chosen by them.
_USUAL_TOLERATIONS = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
_EFFECTS = frozenset({"", *TaintEffect})
#: What the scheduler writes where a volume is missing. Not an interface, but the only sign without the right to read claims.
_VOLUME_WORDS = (
    "unbound immediate PersistentVolumeClaims",
    "persistentvolumeclaim",
    "volume node affinity conflict",
    "didn't match PersistentVolume's node affinity",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a pod is looked at with. `namespaces`: whose waiting pods are demand; none: of all."""

    resources: NamesOfResources
    namespaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """It is on a node and has not ended."""

    node: str
    request: Resources
    workload: bool
    """Neither of a DaemonSet nor the mirror of a static pod."""
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """`shape`: without its rules about other pods, which depend on the others."""

    shape: Shape
    since_ms: int
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    because: str


Fact = Bound | Waiting | Excluded


def fact_of(pod: objects.Pod, rules: Rules) -> Fact | None:
    """None: it has ended, or its scheduler has not looked at it yet."""
    if pod.ended:
        return None
    if pod.spec.node_name:
        return _bound(pod, rules.resources)
    if pod.metadata.deletion_timestamp is not None:
        return None
    if rules.namespaces and pod.metadata.namespace not in rules.namespaces:
        return None
    return _unbound(pod, rules.resources)


def _bound(pod: objects.Pod, resources: NamesOfResources) -> Bound:
    try:
        request = resources.request(effective(pod.spec))
    except QuantityError:
        # The API server takes none that cannot be read; the pod still counts as one.
        request = resources.request({})
    return Bound(
        node=pod.spec.node_name,
        request=request,
        workload=not (pod.metadata.of_daemon_set or pod.metadata.mirror),
        identity=identity_of(pod, bound=True),
    )


def _unbound(pod: objects.Pod, resources: NamesOfResources) -> Waiting | Excluded | None:
    condition = next((each for each in pod.status.conditions or () if each.type == "PodScheduled"), None)
    if pod.spec.scheduling_gates or (condition is not None and condition.reason == "SchedulingGated"):
        return Excluded(because="The pods have a scheduling gate, and are not demand until it is removed.")
    scheduler = pod.spec.scheduler_name
    if scheduler not in ("", DEFAULT_SCHEDULER):
        return Excluded(
            because=f"The pods are placed by scheduler {scheduler[:63]}, and Herder knows the rules of {DEFAULT_SCHEDULER} only."
        )
    if condition is None or condition.status != "False" or condition.reason != "Unschedulable":
        return None
    for rule in _EXCLUDING:
        because = rule(pod, condition)
        if because:
            return Excluded(because=because)
    return _waiting(pod, condition, resources)


def _waiting(
    pod: objects.Pod, condition: objects.Condition, resources: NamesOfResources
) -> Waiting | Excluded:
    try:
        amounts = effective(pod.spec)
        unknown = resources.unknown(name for name, amount in amounts.items() if amount)
        if unknown:
            return Excluded(
                because=f"The pods request {unknown[:100]}, which this server does not know. Declare it under resources in herder.yaml."
            )
        request = resources.request(amounts)
        affinity = _affinity(pod.spec)
        selector = tuple(sorted((pod.spec.node_selector or {}).items()))
        identity = identity_of(pod, Nodes(selector=selector, affinity=Affinity(required=affinity.required)))
    except QuantityError:
        return Excluded(because="The pods have a request that cannot be read. Correct their resources.")
    except NotHonoured as error:
        return Excluded(because=str(error))
    shape = Shape(
        request=request,
        user=OWNER,
        work=Work.PODS,
        priority=pod.spec.priority,
        selector=selector,
        affinity=affinity,
        tolerations=_tolerations(pod.spec),
    )
    since = condition.last_transition_time or pod.metadata.creation_timestamp or ""
    return Waiting(shape=shape, since_ms=moment_ms(since) or 0, identity=identity)


def _affinity(spec: objects.PodSpec) -> Affinity:
    """Raises NotHonoured."""
    nodes = spec.affinity.node_affinity if spec.affinity is not None else None
    if nodes is None:
        return NO_AFFINITY
    terms = nodes.required.node_selector_terms if nodes.required is not None else None
    required = tuple(_term(term) for term in terms or ())
    preferred = tuple(
        (each.weight, _term(each.preference))
        for each in nodes.preferred or ()
        if each.preference.match_expressions and not each.preference.match_fields
    )
    return Affinity(required=required, preferred=preferred)


def _term(term: objects.SelectorTerm) -> Term:
    if term.match_fields:
        raise NotHonoured("The pods name one node by its name, and a new node has another name.")
    try:
        return tuple(
            Expression(key=each.key, operator=Operator(each.operator), values=tuple(each.values or ()))
            for each in term.match_expressions or ()
        )
    except ValueError:
        raise NotHonoured(
            "The pods have a node affinity with an operator that Herder does not know."
        ) from None


def _tolerations(spec: objects.PodSpec) -> tuple[Toleration, ...]:
    found = set()
    for each in spec.tolerations or ():
        usual = each.key in _USUAL_TOLERATIONS and each.effect == TaintEffect.NO_EXECUTE
        # One that compares numbers (Gt, Lt) or has another effect is left out: then a pool with that taint is not chosen.
        if not usual and each.operator in ("Exists", "Equal", "") and each.effect in _EFFECTS:
            found.add(
                Toleration(
                    key=each.key,
                    value=None if each.operator == "Exists" else each.value,
                    effect=TaintEffect(each.effect) if each.effect else None,
                )
            )
    return tuple(sorted(found, key=_order))


def _order(toleration: Toleration) -> tuple[str, str, str]:
    return toleration.key, toleration.value or "", toleration.effect or ""


def _daemon(pod: objects.Pod, _: objects.Condition) -> str:
    return (
        "The pods belong to DaemonSets, each for one node that exists; more nodes do not help."
        if pod.metadata.of_daemon_set
        else ""
    )


def _nominated(pod: objects.Pod, _: objects.Condition) -> str:
    return (
        "The pods are about to be placed: pods of lower priority are being removed for them."
        if pod.status.nominated_node_name
        else ""
    )


def _volume(pod: objects.Pod, condition: objects.Condition) -> str:
    claims = any(each.persistent_volume_claim or each.ephemeral for each in pod.spec.volumes or ())
    if claims and any(words in condition.message for words in _VOLUME_WORDS):
        return "The pods wait for a volume, not for a node. See: kubectl get persistentvolumeclaims."
    return ""


def _devices(pod: objects.Pod, _: objects.Condition) -> str:
    return (
        "The pods claim devices by a ResourceClaim, which is planned. Use a resource such as nvidia.com/gpu."
        if pod.spec.resource_claims
        else ""
    )


def _beside_pods(pod: objects.Pod, _: objects.Condition) -> str:
    affinity = pod.spec.affinity
    if affinity is None or affinity.pod_affinity is None or not affinity.pod_affinity.required:
        return ""
    return "The pods require to be beside other pods (pod affinity), which packing does not honour; this is planned."


_EXCLUDING: tuple[Callable[[objects.Pod, objects.Condition], str], ...] = (
    _daemon,
    _nominated,
    _volume,
    _devices,
    _beside_pods,
)
