"""The calls of OCM that Herder makes, one method each. Called from any thread; raises `DriverError`s only.

Every call may be repeated: a pool is known by its name, and a change says what holds after it. So 429 and 503 are tried again for all of them.
A second creation of the same name is AlreadyExists. Rules are checked before a call (`rules`).
"""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from herder.model.fleet.driver import DriverClock, InvalidRequest, NotFound, Unavailable
from herder.remote.clouds.client import CloudClient, Credentials
from herder.remote.clouds.errors import Reply
from herder.remote.clouds.pace import Pace, Pause
from herder.remote.clouds.pages import Page, all_pages
from herder.remote.ocm import rules, spelling
from herder.remote.ocm.errors import PROVIDER, explain, warnings_in
from herder.remote.ocm.pools import Cluster, MachinePool

OCM_URL = "https://api.openshift.com"
_CLUSTERS = "/api/clusters_mgmt/v1/clusters"
_PAGE_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What OCM made of a creation or a change."""

    pool: MachinePool
    warnings: tuple[str, ...] = ()
    """OCM's own words."""


class Ocm:
    def __init__(
        self,
        credentials: Credentials,
        clock: DriverClock,
        *,
        url: str = OCM_URL,
        calls_per_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        pace = Pace(calls_per_s, max(1.0, calls_per_s), clock)
        self._client = CloudClient(
            PROVIDER, url, credentials, explain, clock, transport=transport, pace=pace, pause=pause
        )

    # --- clusters

    def cluster(self, named: str) -> Cluster:
        """By its id or its name. Raises InvalidRequest when there is none, or when several have the name."""
        what = f"reading cluster {named}"
        try:
            return spelling.cluster_of(self._get(f"{_CLUSTERS}/{quote(named, safe='')}", what))
        except NotFound:
            quoted = named.replace("'", "''")
            found = self._rows(_CLUSTERS, what, search=f"name = '{quoted}'")
        if len(found) == 1:
            return spelling.cluster_of(found[0])
        if found:
            raise InvalidRequest(f"{len(found)} clusters have the name {named}. Name the cluster by its id.")
        raise InvalidRequest(
            f"{PROVIDER} knows no cluster {named!r}. Check its id or name, and which account asks."
        )

    def nodes_max(self, cluster: Cluster) -> int | None:
        """Of the cluster autoscaler; None: it has no limit, or there is no autoscaler."""
        try:
            found = self._get(
                f"{self._of(cluster)}/autoscaler", f"reading the autoscaler of cluster {cluster.name}"
            )
        except NotFound:
            return None
        limits = found.get("resource_limits")
        most = limits.get("max_nodes_total") if isinstance(limits, dict) else None
        return most if type(most) is int and most > 0 else None

    # --- pools

    def pools(self, cluster: Cluster) -> list[MachinePool]:
        """Raises InvalidRequest when there is no such cluster any more, or this account may not see it."""
        try:
            rows = self._rows(self._pools(cluster), f"listing the machine pools of cluster {cluster.name}")
        except NotFound:
            raise InvalidRequest(
                f"{PROVIDER} shows no cluster {cluster.name or cluster.id}. Check that it exists, and which account asks."
            ) from None
        return [spelling.pool_of(row, hosted=cluster.hosted) for row in rows]

    def pool(self, cluster: Cluster, name: str) -> MachinePool:
        """Raises NotFound."""
        found = self._get(self._pool(cluster, name), f"reading machine pool {name}")
        return spelling.pool_of(found, hosted=cluster.hosted)

    def create(self, cluster: Cluster, pool: MachinePool) -> Written:
        """Raises InvalidRequest, without a call, when it breaks a rule; AlreadyExists when there is one of that name."""
        rules.check(pool, cluster, new=True)
        body = spelling.new_pool(pool, hosted=cluster.hosted)
        return self._write("POST", self._pools(cluster), f"creating machine pool {pool.name}", body, cluster)

    def change(self, cluster: Cluster, before: MachinePool, after: MachinePool, *fields: str) -> Written:
        """Changes `fields` of `before` to those of `after`, and nothing else. Raises InvalidRequest, without a call, when that breaks a rule."""
        rules.check_change(before, after, cluster)
        body = spelling.change(after, frozenset(fields), hosted=cluster.hosted)
        if not body:
            return Written(pool=before)
        path, what = self._pool(cluster, before.name), f"changing machine pool {before.name}"
        return self._write("PATCH", path, what, body, cluster)

    def delete(self, cluster: Cluster, name: str) -> None:
        """Raises NotFound; InvalidRequest, without a deletion, for the cluster's last pool."""
        rules.check_removal(name, [each.name for each in self.pools(cluster)], cluster)
        self._client.call(
            "DELETE", self._pool(cluster, name), f"deleting machine pool {name}", repeatable=True
        )

    def health(self) -> None:
        """Raises the error of a call that only reads."""
        self._get(_CLUSTERS, "reading the clusters", size=1)

    def close(self) -> None:
        self._client.close()

    # --- one call

    def _of(self, cluster: Cluster) -> str:
        return f"{_CLUSTERS}/{quote(cluster.id, safe='')}"

    def _pools(self, cluster: Cluster) -> str:
        return f"{self._of(cluster)}/{'node_pools' if cluster.hosted else 'machine_pools'}"

    def _pool(self, cluster: Cluster, name: str) -> str:
        return f"{self._pools(cluster)}/{quote(name, safe='')}"

    def _write(self, method: str, path: str, what: str, body: Any, cluster: Cluster) -> Written:
        reply = self._client.call(method, path, what, body=body, repeatable=True)
        pool = spelling.pool_of(_object(reply, what), hosted=cluster.hosted)
        return Written(pool=pool, warnings=warnings_in(reply))

    def _get(self, path: str, what: str, **query: str | int) -> spelling.Json:
        return _object(self._client.call("GET", path, what, query=query), what)

    def _rows(self, path: str, what: str, **query: str | int) -> list[spelling.Json]:
        def page(token: str) -> Page:
            return self._get(path, what, page=token or "1", size=_PAGE_ROWS, **query)

        rows: list[spelling.Json] = []
        for each in all_pages(page, _next, what):
            items = each.get("items")
            rows += [row for row in items if isinstance(row, dict)] if isinstance(items, list) else []
        return rows


def _next(page: Page) -> str:
    """OCM counts pages from 1."""
    number, total = page.get("page"), page.get("total")
    if type(number) is not int or type(total) is not int or not page.get("items"):
        return ""
    return str(number + 1) if number * _PAGE_ROWS < total else ""


def _object(reply: Reply, what: str) -> spelling.Json:
    if isinstance(reply.data, dict):
        return reply.data
    raise Unavailable(f"The answer to {what} is not one of {PROVIDER}. Check the address ocm_url.")
