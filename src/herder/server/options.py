"""The options of a server, combined from command line, environment and herder.yaml."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herder.analysis.optimisation.recommendations import Rules
from herder.model.fleet.bootstrap import BootstrapSettings
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.pool import PoolSpec
from herder.model.values.resources import PLAIN, Dimensions
from herder.model.work.alerts import AlertRules
from herder.model.work.callbacks import CallbackRules
from herder.observability.logs import LogFormat, LogLevel
from herder.server.http.connections import HttpLimits
from herder.settings.sections.jobs.intakes import IntakeSettings
from herder.settings.sections.jobs.object_stores import ObjectStore
from herder.settings.sections.observability import TraceSettings
from herder.settings.sections.server import (
    DEFAULT_PORT,
    QUANTUM_DEFAULT_S,
    DriverSettings,
    MetricSource,
    UserSettings,
)
from herder.settings.sections.upkeep import RetentionSettings, SweepSettings

#: The file in the data folder that holds the administrator's token.
ADMIN_TOKEN = "admin.token"


class StartError(Exception):
    """The server cannot start like this. `hint` says what to do; nothing was changed."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """`store_url` None: SQLite in the data folder. `pools` are applied at start; None keeps what the store has."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    store_url: str | None = None
    public_url: str | None = None
    """The address that workers are given; None: the one it listens at."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    secrets_key_file: Path | None = None
    """The keys of secrets of users and projects; None: `secrets.key` in the data folder."""
    resources: Dimensions = PLAIN
    """Which there are, beyond those of every server."""
    pools: tuple[PoolSpec, ...] | None = None
    default_pools: tuple[PoolSpec, ...] = ()
    """Made in a store that has never had a pool, when `pools` says nothing."""
    users: tuple[UserSettings, ...] = ()
    sharing: Mapping[str, Any] = field(default_factory=dict)
    """The sections of fair sharing that the files have, in their plain form."""
    budgets: Mapping[str, Any] = field(default_factory=dict)
    """Those of the files, in their plain form."""
    drivers: tuple[DriverSettings, ...] = field(
        default_factory=lambda: (DriverSettings(name="local", kind="local"),)
    )
    metric_sources: tuple[MetricSource, ...] = ()
    object_stores: tuple[ObjectStore, ...] = ()
    intakes: tuple[IntakeSettings, ...] = ()
    clusters: tuple[ClusterSettings, ...] = ()
    bootstraps: tuple[BootstrapSettings, ...] = ()
    queued_jobs_per_user: int | None = None
    queued_bytes_per_user: int | None = None
    log_bytes_per_attempt: int | None = None
    """None: the defaults of `control/kernel/bounds/limits.py`."""
    budget_quantum_s: float = QUANTUM_DEFAULT_S
    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel | None = None
    """None: as the format has it."""
    stop_workers: bool = False
    """When the server stops: tell its workers to go (a laptop's), or leave them at work for the next one."""
    again: "Callable[[], ServerOptions] | None" = None
    """Reads the files once more; None where there are none. Raises SettingsError."""
    http: HttpLimits = field(default_factory=HttpLimits)
    poll_s: float = 20.0
    sweep_period_s: float = 5.0
    self_delete_after_s: float = 600.0
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    callbacks: CallbackRules = field(default_factory=CallbackRules)
    alerts: AlertRules = field(default_factory=AlertRules)
    recommendations: Rules = field(default_factory=Rules)
    traces: TraceSettings = field(default_factory=TraceSettings)
    sweep: SweepSettings = field(default_factory=SweepSettings)
    """All but its period, which `sweep_period_s` is."""

    def check(self) -> None:
        """Raises StartError for a public address without protection."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise StartError("TLS needs both a certificate and a key.", "Set --tls-cert and --tls-key.")
        if not is_loopback(self.host) and self.tls_cert is None and not self.insecure:
            raise StartError(
                f"{self.host} is reachable from other machines, and tokens would be sent unencrypted.",
                "Set --tls-cert and --tls-key, or set --insecure if a proxy in front of the server does TLS.",
            )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
