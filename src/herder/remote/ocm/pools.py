"""Clusters and machine pools as OCM knows them, the same for classic clusters and for those with a hosted control plane (HCP). Pure.

OCM spells the two kinds differently; that is in `spelling` alone. What is not known is None.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    id: str
    name: str = ""
    hosted: bool = False
    """Its control plane is hosted (HCP): its pools are node pools. Else it is classic."""
    state: str = ""
    """In OCM's words: `ready`, `installing`, …"""
    multi_az: bool = False
    zones: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    """Of a VPC that the owner brought; empty: the VPC is made by ROSA."""
    version: str = ""
    """Of OpenShift: `4.14.14`. Empty: not known."""
    termination_queue: bool = False
    """It has a queue of AWS's notices, by which nodes are drained before a spot interruption."""

    @property
    def kind(self) -> str:
        """As sentences name it."""
        return "HCP" if self.hosted else "classic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    min_replicas: int | None = None
    max_replicas: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    max_price: str = ""
    """In dollars an hour, as a person writes it; empty: at most the on-demand price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTaint:
    """The effect is a text, since OCM keeps what it is given."""

    key: str
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePool:
    """A machine pool of a classic cluster, or a node pool of an HCP one. What only one kind has says so."""

    name: str
    instance_type: str = ""
    replicas: int | None = None
    """None: autoscaling decides."""
    autoscaling: Autoscaling | None = None
    zones: tuple[str, ...] = ()
    """HCP: at most one."""
    subnets: tuple[str, ...] = ()
    """HCP: at most one."""
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[PoolTaint, ...] = ()
    spot: Spot | None = None
    disk_gib: int | None = None
    """Of the root volume; None: OCM's default."""
    security_groups: tuple[str, ...] = ()
    """In addition to the cluster's."""
    tags: tuple[tuple[str, str], ...] = ()
    """Of AWS."""
    local_zone: bool = False
    """It is in an AWS local zone."""
    # --- HCP only
    capacity_reservation: str = ""
    """The id of one of AWS."""
    auto_repair: bool | None = None
    drain_grace_min: float | None = None
    max_surge: str = ""
    """A count or a percentage, as `max_unavailable`."""
    max_unavailable: str = ""
    current_replicas: int | None = None
    """Nodes that exist, as OCM counts them; None: classic pools do not say it, ask Kubernetes."""
    message: str = ""
    """Why it has not the nodes that it should have, in OCM's words."""

    @property
    def most(self) -> int | None:
        """How many nodes it may come to have."""
        return self.replicas if self.autoscaling is None else self.autoscaling.max_replicas
