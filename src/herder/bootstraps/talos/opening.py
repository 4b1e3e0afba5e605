"""Opens the bootstrap for Talos: reads its files, makes no call. Called by the registry of bootstraps when the server opens."""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from herder.bootstraps.talos.settings import TalosSettings
from herder.model.fleet.driver import InvalidRequest
from herder.ports.bootstrap import BootstrapContext

if TYPE_CHECKING:
    from herder.bootstraps.talos.bootstrap import TalosBootstrap
    from herder.remote.talos.wire import Wire


def make(
    settings: TalosSettings,
    context: BootstrapContext,
    *,
    wire: "Wire | None" = None,
    environment: Mapping[str, str] = os.environ,
) -> "TalosBootstrap":
    """Raises InvalidRequest. `wire`: how machines are reached; None: over the network."""
    _check_packages()
    from herder.bootstraps.talos.bootstrap import TalosBootstrap
    from herder.bootstraps.talos.worker_config import read_base
    from herder.remote.talos.client import TalosClient
    from herder.remote.talos.talosconfig import default_path, read_bytes, read_talosconfig
    from herder.remote.talos.wire import GrpcWire, tls_of

    base = read_base(read_bytes(Path(settings.base_config).expanduser(), "Base configuration"))
    named = settings.talosconfig
    identity = read_talosconfig(
        Path(named).expanduser() if named else default_path(environment),
        settings.context or environment.get("TALOS_CLUSTER", ""),
        settings.endpoint or environment.get("TALOS_ENDPOINT", ""),
    )
    tls_of(identity)  # wrong certificates are found here
    clock = context.clock
    client = TalosClient(identity, wire or GrpcWire(settings.port), clock.now_ms, settings.deadline_s)
    return TalosBootstrap(context.name, settings, base, client, clock)


def _check_packages() -> None:
    for name in ("cryptography", "google.protobuf", "grpclib"):
        try:
            import_module(name)
        except ImportError:
            raise InvalidRequest(
                f"The package {name} is not installed. Install it with: pip install 'herder[talos]'."
            ) from None
