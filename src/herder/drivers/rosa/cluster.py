"""What the driver reads and writes in the cluster: nodes and their names, and a ConfigMap for each machine pool. Called from any thread."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from herder.drivers.rosa.ledger import Ledger, Move, Node
from herder.memberships.kubernetes import objects
from herder.memberships.kubernetes.demand.requests import NamesOfResources
from herder.memberships.kubernetes.quantities import QuantityError
from herder.model.fleet.cluster import INSTALLATION_LABEL, POOL_LABEL, WORKER_LABEL
from herder.model.fleet.driver import AlreadyExists, NotFound, Unavailable
from herder.model.values.resources import PLAIN, Resources
from herder.ports.cluster import ClusterError
from herder.remote.kubernetes.calls import ACCESS_REVIEWS, NODES, Call, Resource, Right
from herder.remote.kubernetes.connection import MERGE_PATCH, PAGE_BYTES_MAX
from herder.remote.kubernetes.driver_errors import driver_error
from herder.remote.kubernetes.objects import UNREADABLE, ListMetadata, Metadata
from herder.remote.kubernetes.sync_connection import SyncConnection

CONFIG_MAPS = Resource(plural="configmaps")
MANAGED_BY, KEY = "app.kubernetes.io/managed-by", "ledger"
PAGE, PAGES_MAX = 500, 200
_TYPE_LABEL = "node.kubernetes.io/instance-type"
NEEDED = tuple(
    Call(verb=verb, resource=resource).right
    for resource, verbs in ((NODES, ("list", "patch")), (CONFIG_MAPS, ("create", "get", "list", "update")))
    for verb in verbs
)


class ConfigMap(msgspec.Struct):
    metadata: Metadata
    data: dict[str, str] | None = None


class _Maps(msgspec.Struct):
    metadata: ListMetadata
    items: list[ConfigMap] = []


class _Nodes(msgspec.Struct):
    metadata: ListMetadata
    items: list[objects.Node] = []


_T = TypeVar("_T")
_L = TypeVar("_L", _Maps, _Nodes)


class ClusterSide:
    def __init__(self, connection: SyncConnection, namespace: str) -> None:
        self._connection, self._namespace = connection, namespace

    # --- names

    def ledger(self, name: str) -> tuple[Ledger, str]:
        """And its version. Raises NotFound."""
        found = self._decoded(ConfigMap, self._call("get", CONFIG_MAPS, name))
        return self._read(found), found.metadata.resource_version

    def ledgers(self, installation: str) -> list[Ledger]:
        query = {"labelSelector": f"{MANAGED_BY}=herder,{INSTALLATION_LABEL}={installation}"}
        return [
            self._read(each) for each in self._all(_Maps, CONFIG_MAPS, query, self._namespace) if _ours(each)
        ]

    def write(self, name: str, ledger: Ledger, version: str) -> str:
        """Answers the new version. `version`: of the one that it was made from, empty for none. Raises Unavailable when another was quicker."""
        labels = {MANAGED_BY: "herder", INSTALLATION_LABEL: ledger.installation, POOL_LABEL: ledger.pool}
        metadata: dict[str, Any] = {"name": name, "namespace": self._namespace, "labels": labels}
        if version:
            metadata["resourceVersion"] = version
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {KEY: msgspec.json.encode(ledger).decode()},
        }
        made = (
            self._call("update", CONFIG_MAPS, name, body=body)
            if version
            else self._call("create", CONFIG_MAPS, body=body)
        )
        return self._decoded(ConfigMap, made).metadata.resource_version

    # --- nodes

    def nodes(self, installation: str, pool: str) -> list[Node]:
        query = {"labelSelector": f"{INSTALLATION_LABEL}={installation},{POOL_LABEL}={pool}"}
        return [
            Node(
                name=each.metadata.name,
                uid=each.metadata.uid,
                worker=(each.metadata.labels or {}).get(WORKER_LABEL, ""),
                created=each.metadata.creation_timestamp or "",
                going=each.metadata.deletion_timestamp is not None,
                cordoned=each.spec.unschedulable,
            )
            for each in self._all(_Nodes, NODES, query)
        ]

    def sizes(self) -> list[tuple[str, Resources]]:
        """Of each node of the cluster: its type of machine and what it has for pods. Nodes that do not say it are left out."""
        table, found = NamesOfResources(PLAIN), []
        for each in self._all(_Nodes, NODES, {}):
            kind = (each.metadata.labels or {}).get(_TYPE_LABEL, "")
            with suppress(QuantityError):
                if kind and each.status.allocatable:
                    found.append((kind, table.capacity(each.status.allocatable)))
        return found

    def name_node(self, move: Move) -> None:
        """One that had another worker takes pods again. A node that is gone meanwhile is seen at the next look."""
        body: dict[str, Any] = {
            "metadata": {"uid": move.node.uid, "labels": {WORKER_LABEL: move.worker or None}}
        }
        if move.node.worker:
            body["spec"] = {"unschedulable": None}
        try:
            self._call("patch", NODES, move.node.name, body=body, form=MERGE_PATCH)
        except NotFound:
            return

    # --- the cluster itself

    def ask(self) -> None:
        self._call("list", CONFIG_MAPS, query={"limit": "1"})

    def allowed(self, right: Right) -> bool:
        attributes = {"verb": right.verb, "group": right.group, "resource": right.resource}
        if right.resource == CONFIG_MAPS.plural:
            attributes["namespace"] = self._namespace
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._send(Call(verb="create", resource=ACCESS_REVIEWS), body=body)
        return self._decoded(_Review, answer).status.allowed

    def close(self) -> None:
        self._connection.close()

    # --- one call

    def _read(self, found: ConfigMap) -> Ledger:
        try:
            return msgspec.json.decode((found.data or {}).get(KEY, ""), type=Ledger)
        except UNREADABLE:
            raise Unavailable(
                f"ConfigMap {self._namespace}/{found.metadata.name} does not name the workers of its machine pool. Restore it, or delete it when the "
                "pool has no workers."
            ) from None

    def _call(self, verb: str, resource: Resource, name: str = "", **how: Any) -> bytes:
        namespace = self._namespace if resource is CONFIG_MAPS else ""
        return self._send(Call(verb=verb, resource=resource, namespace=namespace, name=name), **how)

    def _all(
        self, kind: type[_L], resource: Resource, query: Mapping[str, str], namespace: str = ""
    ) -> list[Any]:
        """Or an error: a part of a listing is never taken for the whole."""
        asked, call = {**query, "limit": str(PAGE)}, Call(verb="list", resource=resource, namespace=namespace)
        found: list[Any] = []
        for _ in range(PAGES_MAX):
            page = self._decoded(kind, self._send(call, query=asked, bytes_max=PAGE_BYTES_MAX))
            found += page.items
            if not page.metadata.continue_:
                return found
            asked["continue"] = page.metadata.continue_
        raise Unavailable(
            f"Cluster {self._connection.cluster} has more than {PAGE * PAGES_MAX:,} {resource.plural}. Herder lists no more."
        )

    def _send(self, call: Call, **how: Any) -> bytes:
        try:
            return self._connection.call(call, **how)
        except ClusterError as error:
            found = driver_error(error, writes=call.method != "GET")
            if call.verb == "create" and "already exists" in str(error):
                found = AlreadyExists(str(error))
            raise found from error

    def _decoded(self, kind: type[_T], body: bytes) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except UNREADABLE as error:
            raise Unavailable(
                f"Cluster {self._connection.cluster} answers with something that is not Kubernetes. Check the address of its API."
            ) from error


def _ours(found: ConfigMap) -> bool:
    return KEY in (found.data or {})


class _Allowed(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Allowed
