"""Names and labels of what the driver makes. Pure.

The name of a Job follows from installation and worker, so that a repeated creation meets the first one. Names of workers may be longer or
have other letters than Kubernetes allows: the worker itself is in an annotation.
"""

import hashlib
import re

from herder.model.fleet.cluster import INSTALLATION_LABEL, POOL_LABEL, WORKER_LABEL

MANAGED_BY = "app.kubernetes.io/managed-by"
#: Marks what this driver has made, also besides other things of the same installation in the namespace.
DRIVER_LABEL = "herder.dev/driver"
DRIVER = "kubernetes-jobs"
#: Pods of a Job have the name of the Job, a hyphen and 5 letters, and 63 letters at most.
_READABLE_MAX = 40
_HASH = 10
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def job_name(installation: str, worker: str) -> str:
    """For the Job and its Secret."""
    digest = hashlib.sha256(f"{installation}/{worker}".encode()).hexdigest()[:_HASH]
    readable = re.sub(r"[^a-z0-9]+", "-", worker.lower())[:_READABLE_MAX].strip("-")
    return f"{readable or 'worker'}-{digest}"


def label_value(text: str) -> str:
    """As it is where Kubernetes allows it as the value of a label; else a hash of it."""
    return text if _LABEL.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:40]


def labels_of(installation: str, worker: str, pool: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "herder-worker",
        MANAGED_BY: "herder",
        DRIVER_LABEL: DRIVER,
        INSTALLATION_LABEL: label_value(installation),
        POOL_LABEL: label_value(pool),
        WORKER_LABEL: label_value(worker),
    }


def selector_of(installation: str) -> str:
    return f"{DRIVER_LABEL}={DRIVER},{INSTALLATION_LABEL}={label_value(installation)}"
