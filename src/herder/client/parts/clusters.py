"""Clusters: the part of the client for operators."""

from collections.abc import Iterator
from urllib.parse import quote

from herder.client.http.transport import Transport
from herder.client.parts.pages import whole
from herder.wire.api.clusters import ClusterChecks, ClusterView
from herder.wire.api.resources import Explanation


class Clusters:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> Iterator[ClusterView]:
        return whole(self._http, "/clusters", ClusterView)

    def get(self, cluster: str) -> ClusterView:
        return self._http.get(_path(cluster), ClusterView)

    def check(self, cluster: str) -> ClusterChecks:
        return self._http.get(f"{_path(cluster)}/check", ClusterChecks)

    def why_pod(self, namespace: str, name: str, cluster: str | None = None) -> Explanation:
        path = f"/pods/{quote(namespace, safe='') or '-'}/{quote(name, safe='') or '-'}/why"
        return self._http.get(path, Explanation, {"cluster": cluster})


def _path(cluster: str) -> str:
    return f"/clusters/{quote(cluster, safe='') or '-'}"
