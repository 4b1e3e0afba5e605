"""Opens the driver: credentials of Red Hat and the cluster, from its settings or the environment. Makes no call."""

import os
from pathlib import Path

from herder.drivers.rosa.cluster import ClusterSide
from herder.drivers.rosa.driver import RosaDriver
from herder.drivers.rosa.settings import RosaSettings
from herder.model.fleet.driver import DriverContext
from herder.remote.kubernetes.access import access_of
from herder.remote.kubernetes.sync_connection import SyncConnection
from herder.remote.ocm.api import Ocm
from herder.remote.ocm.sso import RedHatLogin


def make(settings: RosaSettings, context: DriverContext) -> RosaDriver:
    """Raises ValueError, OSError or ClusterError when the connections cannot be made."""
    described = context.clusters.get(settings.cluster)
    if described is None:
        known = ", ".join(sorted(context.clusters)) or "none"
        raise ValueError(f"there is no cluster {settings.cluster!r} under clusters; there are: {known}")
    login = _login(settings, context)
    access = access_of(described, context.clock, os.environ)
    side = ClusterSide(SyncConnection(settings.cluster, access, context.clock), settings.namespace)
    ocm = Ocm(login, context.clock, url=settings.ocm_url, calls_per_s=settings.calls_per_s)
    return RosaDriver(settings, context, ocm, side, login)


def _login(settings: RosaSettings, context: DriverContext) -> RedHatLogin:
    if settings.client_id:
        secret = _secret(settings.client_secret_file, settings.client_secret_env)
        if not secret:
            raise ValueError(
                f"there is no client secret; set client_secret_file, or the variable {settings.client_secret_env}"
            )
        return RedHatLogin(
            context.clock, client_id=settings.client_id, client_secret=secret, url=settings.sso_url
        )
    token = _secret(settings.offline_token_file, settings.offline_token_env)
    if not token:
        raise ValueError(
            f"there are no credentials of Red Hat; set client_id, or offline_token_file, or the variable {settings.offline_token_env}"
        )
    return RedHatLogin(context.clock, offline_token=token, url=settings.sso_url)


def _secret(file: str | None, variable: str) -> str:
    return Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get(variable, "").strip()
