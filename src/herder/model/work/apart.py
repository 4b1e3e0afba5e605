"""Rules that bind a pod to the pods around it: how many of a group may be on one worker, or in one zone. Data only.

A group is named by a text: the pods that a selector means, those that carry a rule, those that use a port. Equal texts are one group,
whatever pod names it. Written by `memberships/kubernetes`, kept by `decide/packing/apart`. Jobs have no such rules.
"""

from dataclasses import dataclass
from enum import StrEnum


class Topology(StrEnum):
    WORKER = "worker"
    ZONE = "zone"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CountRule:
    """With this pod, at most `most` pods of the group are in its domain (a worker, or a zone)."""

    group: str
    topology: Topology
    most: int
    above_least: bool = False
    """`most` is counted from the domain that has the fewest: a spread over zones."""
    domains: int = 1
    """With fewer domains than this, the fewest counts as 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """The rules of one pod, and the groups in which it is counted itself."""

    rules: tuple[CountRule, ...] = ()
    counted_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCount:
    """Pods of a group that are on the nodes of a cluster, by domain. `domain`: the name of a node, in an observation that of its worker;
    or of a zone. Of a group that is spread, zones without such pods are named too."""

    cluster: str = ""
    """In an observation."""
    group: str
    topology: Topology
    domain: str
    pods: int
