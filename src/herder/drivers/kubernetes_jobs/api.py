"""The calls that the driver makes, in one namespace: each a line of a role (`rights`). Answers are typed; errors are those of drivers.

Called by `driver`, `quotas` and `checks`, from any thread.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from herder.drivers.kubernetes_jobs import objects
from herder.memberships.kubernetes import objects as kubernetes
from herder.model.fleet.driver import Unavailable
from herder.ports.cluster import ClusterError
from herder.remote.kubernetes.calls import ACCESS_REVIEWS, NODES, PODS, Call, Resource, Right
from herder.remote.kubernetes.connection import FIELD_MANAGER, MERGE_PATCH, PAGE_BYTES_MAX
from herder.remote.kubernetes.driver_errors import driver_error
from herder.remote.kubernetes.objects import UNREADABLE
from herder.remote.kubernetes.sync_connection import SyncConnection

JOBS = Resource(plural="jobs", group="batch")
SECRETS = Resource(plural="secrets")
EVENTS = Resource(plural="events")
QUOTAS = Resource(plural="resourcequotas")
APPLY_PATCH = "application/apply-patch+yaml"
#: Objects in one page of a listing, and pages at most.
PAGE = 500
PAGES_MAX = 200

_T = TypeVar("_T")
_L = TypeVar(
    "_L",
    objects.JobList,
    objects.PodList,
    objects.EventList,
    objects.QuotaList,
    objects.NodeList,
    objects.AllPods,
)


class Api:
    def __init__(self, connection: SyncConnection, namespace: str) -> None:
        self.connection = connection
        self.namespace = namespace

    # --- Jobs and their Secrets

    def create_job(self, body: Any) -> objects.Job:
        return self._decoded(objects.Job, self._call("create", JOBS, body=body))

    def job(self, name: str) -> objects.Job:
        return self._decoded(objects.Job, self._call("get", JOBS, name))

    def start_job(self, name: str) -> None:
        body = {"spec": {"suspend": False}}
        self._call("patch", JOBS, name, body=body, form=MERGE_PATCH)

    def delete_job(self, name: str, uid: str) -> None:
        """The Job now, its pods and its Secret after it. Never one of the same name that was made later."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        self._call("delete", JOBS, name, body=body)

    def apply_secret(self, name: str, body: Any) -> None:
        """Made, or made again as the same."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        self._call("patch", SECRETS, name, query=query, body=body, form=APPLY_PATCH)

    def delete_secret(self, name: str) -> None:
        self._call("delete", SECRETS, name)

    # --- what is there

    def jobs(self, selector: str) -> list[objects.Job]:
        pages = self._pages(objects.JobList, JOBS, {"labelSelector": selector})
        return [each for page in pages for each in page.items]

    def pods(self, selector: str) -> list[objects.Pod]:
        pages = self._pages(objects.PodList, PODS, {"labelSelector": selector})
        return [each for page in pages for each in page.items]

    def events_of(self, uid: str) -> list[objects.Event]:
        """The first page, which is bounded: what repeats is one event with a count."""
        pages = self._pages(objects.EventList, EVENTS, {"fieldSelector": f"involvedObject.uid={uid}"})
        return next(pages).items

    def quotas(self) -> list[objects.Quota]:
        pages = self._pages(objects.QuotaList, QUOTAS, {})
        return [each for page in pages for each in page.items]

    def nodes(self) -> list[kubernetes.Node]:
        """Of the cluster."""
        pages = self._pages(objects.NodeList, NODES, {}, namespaced=False)
        return [each for page in pages for each in page.items]

    def pods_everywhere(self) -> list[kubernetes.Pod]:
        """Of the cluster, that have not ended."""
        query = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
        pages = self._pages(objects.AllPods, PODS, query, namespaced=False)
        return [each for page in pages for each in page.items]

    def log(self, pod: str, container: str, bytes_most: int) -> str:
        query = {"container": container, "tailLines": "2000"}
        call = Call(verb="get", resource=PODS, namespace=self.namespace, name=pod, subresource="log")
        body = self._send(call, query=query, bytes_max=PAGE_BYTES_MAX)
        return body[-bytes_most:].decode("utf-8", "replace")

    # --- the cluster itself

    def ask(self) -> None:
        """Whether the API answers and knows us: one small listing."""
        self._call("list", JOBS, query={"limit": "1"})

    def allowed(self, right: Right) -> bool:
        plural, _, subresource = right.resource.partition("/")
        attributes = {
            "namespace": self.namespace,
            "verb": right.verb,
            "group": right.group,
            "resource": plural,
        }
        attributes |= {"subresource": subresource} if subresource else {}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._send(Call(verb="create", resource=ACCESS_REVIEWS), body=body)
        return self._decoded(_Review, answer).status.allowed

    # --- inside

    def _pages(
        self, kind: type[_L], resource: Resource, query: dict[str, str], *, namespaced: bool = True
    ) -> Iterator[_L]:
        """All of them, or an error: a part of a listing is never taken for the whole."""
        query = {**query, "limit": str(PAGE)}
        call = Call(verb="list", resource=resource, namespace=self.namespace if namespaced else "")
        for _ in range(PAGES_MAX):
            page = self._decoded(kind, self._send(call, query=query, bytes_max=PAGE_BYTES_MAX))
            yield page
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_
        where = f"Namespace {self.namespace}" if namespaced else f"Cluster {self.connection.cluster}"
        raise Unavailable(
            f"{where} has more than {PAGE * PAGES_MAX:,} {resource.plural}. Herder lists no more."
        )

    def _call(self, verb: str, resource: Resource, name: str = "", **how: Any) -> bytes:
        call = Call(verb=verb, resource=resource, namespace=self.namespace, name=name)
        return self._send(call, **how)

    def _send(
        self,
        call: Call,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        **how: Any,
    ) -> bytes:
        try:
            return self.connection.call(call, query=query, body=body, **how)
        except ClusterError as error:
            raise driver_error(error, writes=call.method != "GET") from error

    def _decoded(self, kind: type[_T], body: bytes) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except UNREADABLE as error:
            raise Unavailable(
                f"Cluster {self.connection.cluster} answers with something that is not Kubernetes. Check the address of its API."
            ) from error


class _Allowed(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Allowed
