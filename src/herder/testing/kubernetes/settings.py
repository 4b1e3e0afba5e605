"""What a cluster is made with: its times, limits and tokens. Defaults are those of Kubernetes 1.36 and of the recording."""

from dataclasses import dataclass, field

from herder.testing.kubernetes.objects.store import HISTORY

ADMIN_TOKEN = "admin-token-of-the-test-cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    seed: int = 0
    """Uids and generated names follow from it."""
    tokens: dict[str, tuple[str, tuple[str, ...]]] = field(
        default_factory=lambda: {ADMIN_TOKEN: ("kubernetes-admin", ("system:masters",))}
    )
    """Token → user and groups."""
    anonymous_admin: bool = False
    """Requests without a token are those of the administrator: kubectl sends no token over plain HTTP."""
    history: int = HISTORY
    """Changes of a resource that watches can resume from."""
    managed_fields: bool = True
    """Who set which field, as server-side apply needs it. Without it big clusters take less memory."""
    watch_timeout_ms: int = 1_800_000
    """Of a watch that names none."""

    # --- controllers
    node_grace_ms: int = 50_000
    """A node that has not reported for so long is Unknown."""
    node_check_ms: int = 1_000
    """The controller of nodes looks so often."""
    pod_gc_quarantine_ms: int = 40_000
    """Pods of a node that exists no more are deleted after so long, at the next look of the collector."""
    pod_gc_every_ms: int = 20_000
    job_batch_ms: int = 1_000
    """Changes of pods reach the status of their Job after so long."""
    scheduling: bool = True
    unschedulable_again_ms: int = 300_000
    """A pod that fitted nowhere is tried again after so long, and at each change of nodes and pods before."""

    # --- kubelets
    played_nodes: bool = True
    """A kubelet is played for each node that is created, except those whose name begins with `silent_prefix`."""
    silent_prefix: str = "dead"
    default_capacity: dict[str, str] = field(
        default_factory=lambda: {"cpu": "8", "memory": "32Gi", "pods": "110"}
    )
    """Of a played node that says nothing itself."""
    ready_after_ms: int = 1_000
    heartbeat_ms: int = 10_000
    leases: bool = True
    """Kubelets renew a Lease at each heart-beat. Without, the controller of nodes asks them: for long runs in virtual time."""
    start_pod_ms: int = 0
    """From being bound to running."""
    image_pull_ms: int = 0
    job_pod_runs_ms: int = 5_000
    """A played pod of a Job ends well after so long; other pods run until they are deleted."""
    run_commands: bool = False
    """Containers with a command run it as a process on this machine."""
