"""Settings of the driver for Kubernetes Jobs. Read from `drivers:` in `herder.yaml`.

Lists and mappings are written as one text, since the settings of a driver are texts: `disktype=ssd, zone=a`.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

#: What Kubernetes allows in the name of a namespace, an account or a class.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
#: Ours: no setting may say something else.
RESERVED = ("herder.dev/", "app.kubernetes.io/managed-by", "batch.kubernetes.io/")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesJobsSettings:
    image: str
    """Of the agent's container, for example registry.example/herder:1.2. It has the program `herder` and what jobs need. A pool may name
    another one in `driver_options`."""
    cluster: str = ""
    """A cluster of the section `clusters:`. Empty: the connection is described here, by the next settings."""
    kubeconfig: str | None = None
    """Without it and without `api`: the service account of the pod that the server runs in."""
    context: str | None = None
    """Of the kubeconfig; None: its current one."""
    api: str | None = None
    """The address of the API server, instead of a kubeconfig."""
    ca_file: str | None = None
    token_file: str | None = None
    token_env: str | None = None
    namespace: str = "herder"
    """Where Jobs, pods and Secrets are made. It must exist."""
    service_account: str = ""
    """Of the pods; empty: the namespace's default one. Its token is not mounted: the agent does not call Kubernetes."""
    server_url: str = ""
    """Where pods reach the server, if not at its own address."""
    command: str = "herder agent --one-job"
    """Of the container. It is split at spaces; no shell runs."""
    pull_policy: str = "IfNotPresent"
    pull_secrets: str = ""
    """Names of Secrets with credentials of the registry: `a, b`."""
    node_selector: str = ""
    """Labels that a node must have: `disktype=ssd, zone=a`."""
    tolerations: str = ""
    """Taints that pods tolerate: `nvidia.com/gpu=true:NoSchedule, spot`."""
    priority_class: str = ""
    labels: str = ""
    """More labels of Jobs and pods: `team=a, cost-centre=7`."""
    annotations: str = ""
    """More annotations of pods, in the same form."""
    ttl_after_finished_s: int = 300
    """When Kubernetes itself removes a Job that has ended and that this server has not removed."""
    active_deadline_s: int = 86_400
    """When Kubernetes ends a Job that still runs, whatever the server says: longer than any job of the pool."""
    termination_grace_s: int = 30
    """From SIGTERM to SIGKILL for the agent, which reports its attempt in this time."""
    agent_memory_mib: int = 64
    """Of the agent itself, added to the memory of the template. Request and limit are the same."""
    cpu_limit_factor: float = 2.0
    """The CPU limit of the container as a multiple of the template's CPU; 0: no limit."""
    image_pull_timeout_s: float = 45.0
    """An image that cannot be pulled for so long ends the creation. Below the time-out of the step start, which ends it without this
    reason."""
    unschedulable_timeout_s: float = 60.0
    """A pod that no node can take for so long counts as out of capacity. Below the time-out of the step create."""
    check_free_capacity: bool = False
    """Look at the nodes and pods of the cluster before a Job is made: a pod that no node has free capacity for is out of capacity at once.
    Omit it where a cluster autoscaler adds nodes for pods that wait. It needs the right to list nodes and pods of the cluster; without
    that the Job is made."""
    console_most_bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        for setting in ("namespace", "service_account", "priority_class"):
            value = getattr(self, setting)
            if value and not _NAME.fullmatch(value):
                raise ValueError(f"{setting} {value!r} is not a name of Kubernetes")
        if not self.image.strip() or any(letter.isspace() for letter in self.image):
            raise ValueError(f"image {self.image!r} is not the name of an image")
        if not self.command.split():
            raise ValueError("command is empty; write for example herder agent --one-job")
        if self.pull_policy not in ("Always", "IfNotPresent", "Never"):
            raise ValueError("pull_policy must be Always, IfNotPresent or Never")
        self._check_connection()
        self._check_times()
        pairs_in("node_selector", self.node_selector)
        pairs_in("labels", self.labels)
        pairs_in("annotations", self.annotations, labels=False)
        tolerations_in(self.tolerations)
        names_in(self.pull_secrets)

    def _check_connection(self) -> None:
        own = [name for name in ("kubeconfig", "api") if getattr(self, name)]
        if len(own) > 1 or (own and self.cluster):
            both = listed_names([*own, *(["cluster"] if self.cluster else [])])
            raise ValueError(f"{both} are set, but the cluster is reached in one way only")
        if self.api and not (self.token_file or self.token_env):
            raise ValueError("api is set, but no token; set token_file or token_env")
        if self.api and not _is_address(self.api):
            raise ValueError(
                f"api {self.api!r} is not the address of an API server, such as https://10.0.0.1:6443"
            )

    def _check_times(self) -> None:
        for setting, low, high in (
            ("ttl_after_finished_s", 0, 604_800),
            ("active_deadline_s", 60, 31_536_000),
            ("termination_grace_s", 1, 3_600),
            ("agent_memory_mib", 0, 65_536),
            ("cpu_limit_factor", 0, 1_000),
            ("image_pull_timeout_s", 0, 86_400),
            ("unschedulable_timeout_s", 0, 86_400),
            ("console_most_bytes", 1_024, 4 * 2**20),
        ):
            if not low <= getattr(self, setting) <= high:
                raise ValueError(f"{setting} must be from {low:,} to {high:,}")
        if 0 < self.cpu_limit_factor < 1:
            raise ValueError("cpu_limit_factor must be 0, which means no limit, or at least 1")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        return False


def listed_names(names: list[str]) -> str:
    return " and ".join(names)


def names_in(text: str) -> list[str]:
    found = [each.strip() for each in text.split(",") if each.strip()]
    for each in found:
        if not _NAME.fullmatch(each):
            raise ValueError(f"{each!r} is not a name of Kubernetes")
    return found


def pairs_in(setting: str, text: str, *, labels: bool = True) -> dict[str, str]:
    """`a=b, c=d`. Raises ValueError. With `labels` the values must be possible values of labels."""
    found: dict[str, str] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in each.partition("="))
        if not equals or not _KEY.fullmatch(key) or (labels and not _LABEL.fullmatch(value)):
            raise ValueError(f"{setting}: {each!r} is not possible; write key=value, separated by commas")
        if key.startswith(RESERVED):
            raise ValueError(f"{setting}: {key!r} is set by Herder itself; use another key")
        found[key] = value
    return found


def tolerations_in(text: str) -> list[dict[str, str]]:
    """`key=value:Effect, key:Effect, key`, as kubectl writes taints. Raises ValueError."""
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        rest, _, effect = each.partition(":")
        key, equals, value = rest.partition("=")
        if not _KEY.fullmatch(key) or not _LABEL.fullmatch(value) or (effect and effect not in EFFECTS):
            raise ValueError(
                f"tolerations: {each!r} is not possible; write key=value:Effect with one of {', '.join(EFFECTS)}"
            )
        toleration = {"key": key, "operator": "Equal" if equals else "Exists"}
        if equals:
            toleration["value"] = value
        found.append(toleration | ({"effect": effect} if effect else {}))
    return found
