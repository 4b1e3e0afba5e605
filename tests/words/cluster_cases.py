"""Examples of the errors of clusters, for `test_errors`: each raised by the code that raises it."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx

from herder.memberships.kubernetes.node_calls import gone
from herder.model.fleet.driver import NoClock
from herder.model.fleet.node import NodeSeen
from herder.model.values.resources import ZERO
from herder.ports.cluster import ClusterError, ClusterUnavailable, NodeGone
from herder.remote.kubernetes.calls import NODES, Call
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, CredentialsMissing, GivenToken
from herder.remote.kubernetes.errors import ApiBusy, ApiError, CredentialsRefused, RightMissing
from herder.remote.kubernetes.kubeconfig import from_kubeconfig
from herder.remote.kubernetes.sync_connection import SyncConnection, Unanswered
from tests.words.error_cases import Case

_NODE = NodeSeen(name="w1", uid="u-1", worker=None, ready=True, allocatable=ZERO, requested=ZERO)
_FORBIDDEN = (
    'nodes is forbidden: User "herder" cannot list resource "nodes" in API group "" at the cluster scope'
)


def _asked(code: int, message: str = "") -> Any:
    def ask() -> None:
        asyncio.run(_call(httpx.MockTransport(lambda _: httpx.Response(code, json={"message": message}))))

    return ask


def _broken() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed")

    asyncio.run(_call(httpx.MockTransport(refuse)))


async def _call(transport: httpx.AsyncBaseTransport, version: bool = False) -> None:
    api = Connection("prod", Access(url="https://api:6443", tokens=GivenToken()), transport=transport)
    asked: Coroutine[Any, Any, Any] = (
        api.version() if version else api.call(Call(verb="list", resource=NODES))
    )
    try:
        await asked
    finally:
        await api.close()


def _unanswered() -> None:
    def break_off(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("The connection broke.")

    access = Access(url="https://api:6443", tokens=GivenToken())
    api = SyncConnection("prod", access, NoClock(), transport=httpx.MockTransport(break_off))
    try:
        api.call(Call(verb="list", resource=NODES))
    finally:
        api.close()


def _no_api() -> None:
    asyncio.run(_call(httpx.MockTransport(lambda _: httpx.Response(200, text="hello")), version=True))


def _gone() -> None:
    raise gone(_NODE)


CASES = (
    Case(ClusterError, _no_api, "https://api:6443 is not the address of a Kubernetes API. Correct the address of cluster prod."),
    Case(ClusterUnavailable, _broken, "Cluster prod at https://api:6443 does not answer: All connection attempts failed."),
    Case(Unanswered, _unanswered, "Cluster prod at https://api:6443 does not answer: The connection broke."),
    Case(NodeGone, _gone, "Node w1 (uid u-1) does not exist."),
    Case(ApiError, _asked(422, "metadata.labels: Invalid value"),
         "Cluster prod refuses the call list nodes (HTTP status 422). metadata.labels: Invalid value."),
    Case(ApiBusy, _asked(503), "Cluster prod cannot serve the call list nodes now (HTTP status 503)."),
    Case(CredentialsRefused, _asked(401),
         "Cluster prod refuses the credentials (HTTP status 401). Renew the token or the client certificate of its kubeconfig."),
    Case(RightMissing, _asked(403, _FORBIDDEN),
         'Cluster prod does not allow Herder to list nodes. Add the rule {apiGroups: [""], resources: ["nodes"], verbs: ["list"]} '
         "to its ClusterRole: herder cluster manifests."),
    Case(CredentialsMissing, lambda: from_kubeconfig(Path("/no/such"), None),  # type: ignore[arg-type]
         "The kubeconfig /no/such cannot be read: No such file or directory. Correct the path or its rights."),
)  # fmt: skip
