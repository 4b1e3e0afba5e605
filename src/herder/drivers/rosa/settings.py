"""Settings of the driver for ROSA. Read from `drivers:` in `herder.yaml`. What a machine pool is like is in the `driver_options` of its pool."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from herder.remote.ocm.api import OCM_URL
from herder.remote.ocm.sso import SSO_URL

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RosaSettings:
    rosa_cluster: str
    """Id or name of the cluster in OpenShift Cluster Manager."""
    cluster: str
    """The same cluster in the section `clusters:`: nodes are read and labelled there."""
    namespace: str = "herder"
    """In which ConfigMaps say which workers each machine pool has. It must exist."""
    client_id: str = ""
    """Of a service account of Red Hat. Its secret is read from `client_secret_file` or the variable `client_secret_env`."""
    client_secret_file: str | None = None
    client_secret_env: str = "RHCS_CLIENT_SECRET"
    offline_token_file: str | None = None
    """Without a client_id: where an offline token is read; else from the variable `offline_token_env`."""
    offline_token_env: str = "RHCS_TOKEN"
    calls_per_s: float = 10.0
    """Calls of OpenShift Cluster Manager at most, over time."""
    ocm_url: str = OCM_URL
    sso_url: str = SSO_URL

    def __post_init__(self) -> None:
        for setting in ("rosa_cluster", "cluster"):
            if not getattr(self, setting).strip():
                raise ValueError(f"{setting} is empty; write the name of the cluster")
        if not _NAMESPACE.fullmatch(self.namespace):
            raise ValueError(f"namespace {self.namespace!r} is not a name of a namespace")
        if not 0.1 <= self.calls_per_s <= 1_000:
            raise ValueError("calls_per_s must be from 0.1 to 1,000")
        for setting in ("ocm_url", "sso_url"):
            parts = urlsplit(getattr(self, setting))
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{setting} {getattr(self, setting)!r} is not an address")
