"""How Herder reaches the API of a cluster, by its settings. Called when a cluster or a driver is opened; it reads files and makes no call."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from herder.model.fleet.cluster import ClusterSettings
from herder.ports.clock import Clock
from herder.remote.kubernetes.credentials import Access, CredentialsMissing, TokenFile, read_text
from herder.remote.kubernetes.kubeconfig import KUBECONFIG_BYTES_MAX, from_kubeconfig, given, in_cluster


def access_of(settings: ClusterSettings, clock: Clock, environment: Mapping[str, str]) -> Access:
    """By a kubeconfig, by an address, or by the service account of this pod."""
    if settings.kubeconfig is not None:
        return from_kubeconfig(Path(settings.kubeconfig).expanduser(), clock, settings.context or "")
    if settings.api is None:
        return in_cluster(clock, environment)
    ca = None
    if settings.ca_file is not None:
        ca = read_text(Path(settings.ca_file), "certificate authority", KUBECONFIG_BYTES_MAX)
    if settings.token_file is not None:
        access = given(settings.api, ca=ca)
        return replace(access, tokens=TokenFile(Path(settings.token_file), clock))
    token = None
    if settings.token_env is not None:
        token = environment.get(settings.token_env)
        if not token:
            raise CredentialsMissing(
                f"The environment variable {settings.token_env} of cluster {settings.name} is not set. Set it to a token."
            )
    return given(settings.api, token, ca)
