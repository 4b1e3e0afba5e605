"""What the scheduler reads of a pod, taken out once."""

from collections.abc import Mapping
from dataclasses import dataclass

from herder.testing.kubernetes.api.kinds.pod_spec import requests_milli
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.selectors import (
    LabelSelector,
    Requirement,
    requirements_of,
    selector_of,
)
from herder.testing.kubernetes.objects.stored import ENCODER, Key, Stored
from herder.testing.kubernetes.objects.times import parsed_ms

SCHEDULER = "default-scheduler"
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTerm:
    """All of it must hold for a node: labels, and its name where that is named."""

    labels: tuple[Requirement, ...]
    names: tuple[Requirement, ...]

    def allows(self, name: str, labels: Mapping[str, str]) -> bool:
        if not self.labels and not self.names:
            return False
        return all(each.allows(labels) for each in self.labels) and all(
            each.allows({each.key: name}) for each in self.names
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTerm:
    """Pods that this one must, or must not, be with in one topology."""

    topology: str
    selector: LabelSelector | None
    namespaces: frozenset[str] | None
    """None: all."""

    def meets(self, pod: "PodInfo") -> bool:
        if self.namespaces is not None and pod.key[0] not in self.namespaces:
            return False
        return self.selector is not None and self.selector.allows(pod.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    topology: str
    most_skew: int
    selector: LabelSelector | None
    least_domains: int = 1
    honours_affinity: bool = True
    honours_taints: bool = False

    def meets(self, pod: "PodInfo") -> bool:
        return self.selector is not None and self.selector.allows(pod.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodInfo:
    key: Key
    uid: str
    labels: Mapping[str, str]
    priority: int
    created_ms: int
    requests: Mapping[str, int]
    node: str
    deleting: bool
    tolerations: tuple[Json, ...]
    node_selector: tuple[Requirement, ...]
    node_terms: tuple[NodeTerm, ...] | None
    """One of them must hold; None: there is no rule."""
    with_pods: tuple[PodTerm, ...]
    apart_from: tuple[PodTerm, ...]
    spreads: tuple[Spread, ...]
    ports: frozenset[tuple[str, int]]
    claims: tuple[str, ...]
    preempts: bool
    nominated: str
    shape: bytes
    """The same for pods that fit in the same places."""

    @property
    def relative(self) -> bool:
        """Where it fits depends on where other pods are."""
        return bool(self.with_pods or self.apart_from or self.spreads)

    def may_wait_for(self, bound: "PodInfo") -> bool:
        """Must this pod be beside pods such as `bound`, or be spread with them?"""
        return any(each.meets(bound) for each in self.with_pods) or any(
            each.meets(bound) for each in self.spreads
        )


def _node_terms(affinity: Json) -> tuple[NodeTerm, ...] | None:
    required = (affinity.get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return None
    return tuple(
        NodeTerm(
            labels=requirements_of(term.get("matchExpressions")),
            names=requirements_of(term.get("matchFields")),
        )
        for term in required.get("nodeSelectorTerms") or ()
    )


def _pod_terms(affinity: Json, kind: str, namespace: str, labels: Mapping[str, str]) -> tuple[PodTerm, ...]:
    terms = (affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    found = []
    for term in terms:
        named = term.get("namespaces") or ()
        everywhere = term.get("namespaceSelector") is not None
        found.append(
            PodTerm(
                topology=term.get("topologyKey", ""),
                selector=_with_keys(
                    selector_of(term.get("labelSelector")), term.get("matchLabelKeys"), labels
                ),
                namespaces=None if everywhere else frozenset(named or (namespace,)),
            )
        )
    return tuple(found)


def _with_keys(
    selector: LabelSelector | None, keys: list[str] | None, labels: Mapping[str, str]
) -> LabelSelector | None:
    if selector is None or not keys:
        return selector
    more = tuple(
        Requirement(key=key, operator="In", values=frozenset((labels[key],))) for key in keys if key in labels
    )
    return LabelSelector(selector.requirements + more)


def _spreads(spec: Json, labels: Mapping[str, str]) -> tuple[Spread, ...]:
    return tuple(
        Spread(
            topology=each["topologyKey"],
            most_skew=int(each.get("maxSkew", 1)),
            selector=_with_keys(selector_of(each.get("labelSelector")), each.get("matchLabelKeys"), labels),
            least_domains=int(each.get("minDomains") or 1),
            honours_affinity=each.get("nodeAffinityPolicy", "Honor") == "Honor",
            honours_taints=each.get("nodeTaintsPolicy", "Ignore") == "Honor",
        )
        for each in spec.get("topologySpreadConstraints") or ()
        if each.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
    )


def _ports(spec: Json) -> frozenset[tuple[str, int]]:
    return frozenset(
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _claims(spec: Json) -> tuple[str, ...]:
    return tuple(
        volume["persistentVolumeClaim"]["claimName"]
        for volume in spec.get("volumes") or ()
        if volume.get("persistentVolumeClaim")
    )


def check_spec(spec: Json) -> None:
    """Raises ValueError, TypeError, KeyError or AttributeError when the scheduler could not read it."""
    affinity = spec.get("affinity") or {}
    hash(_node_terms(affinity))
    for kind in ("podAffinity", "podAntiAffinity"):
        hash(_pod_terms(affinity, kind, "", {}))
    hash((_spreads(spec, {}), _ports(spec), _claims(spec)))
    int(spec.get("terminationGracePeriodSeconds") or 0)
    int(spec.get("activeDeadlineSeconds") or 0)
    for toleration in spec.get("tolerations") or ():
        int(toleration.get("tolerationSeconds") or 0)


_SHARED: dict[bytes, Mapping[str, int]] = {}
"""Requests that many pods have are kept once."""
SHARED_MOST = 10_000


def _shared(requests: Mapping[str, int]) -> Mapping[str, int]:
    if len(_SHARED) > SHARED_MOST:
        _SHARED.clear()
    return _SHARED.setdefault(ENCODER.encode(requests), requests)


def _of_bound(
    stored: Stored, spec: Json, affinity: Json, requests: Mapping[str, int], created_ms: int
) -> PodInfo:
    """What others must know of it. It is not placed again."""
    return PodInfo(
        key=stored.key,
        uid=stored.uid,
        labels=stored.labels,
        priority=spec.get("priority") or 0,
        created_ms=created_ms,
        requests=_shared(requests),
        node=spec["nodeName"],
        deleting=stored.deleting,
        tolerations=(),
        node_selector=(),
        node_terms=None,
        with_pods=(),
        apart_from=_pod_terms(affinity, "podAntiAffinity", stored.key[0], stored.labels) if affinity else (),
        spreads=(),
        ports=_ports(spec),
        claims=(),
        preempts=False,
        nominated="",
        shape=b"",
    )


def pod_info(stored: Stored) -> PodInfo:
    obj = stored.decode()
    spec, labels = obj["spec"], stored.labels
    affinity = spec.get("affinity") or {}
    requests = requests_milli(spec)
    created_ms = parsed_ms(obj["metadata"]["creationTimestamp"])
    if spec.get("nodeName"):
        return _of_bound(stored, spec, affinity, requests, created_ms)
    decisive = (
        sorted(requests.items()), spec.get("nodeSelector"), affinity, spec.get("tolerations"),
        spec.get("topologySpreadConstraints"), spec.get("priority"), sorted(labels.items()), stored.key[0],
        sorted(_ports(spec)), _claims(spec),
    )  # fmt: skip
    return PodInfo(
        key=stored.key,
        uid=stored.uid,
        labels=labels,
        priority=spec.get("priority") or 0,
        created_ms=created_ms,
        requests=requests,
        node=spec.get("nodeName", ""),
        deleting=stored.deleting,
        tolerations=tuple(spec.get("tolerations") or ()),
        node_selector=tuple(
            Requirement(key=key, operator="In", values=frozenset((value,)))
            for key, value in (spec.get("nodeSelector") or {}).items()
        ),
        node_terms=_node_terms(affinity),
        with_pods=_pod_terms(affinity, "podAffinity", stored.key[0], labels),
        apart_from=_pod_terms(affinity, "podAntiAffinity", stored.key[0], labels),
        spreads=_spreads(spec, labels),
        ports=_ports(spec),
        claims=_claims(spec),
        preempts=spec.get("preemptionPolicy", "PreemptLowerPriority") != "Never",
        nominated=stored.fields["status.nominatedNodeName"],
        shape=ENCODER.encode(decisive),
    )
