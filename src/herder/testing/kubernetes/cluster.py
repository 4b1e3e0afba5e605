"""A Kubernetes cluster in one object: the API server, the controllers, the scheduler and the played kubelets, on a time that is given.

`request` answers one request, `step` lets controllers do what is due and says when to call it again. Nothing here has a thread, a socket
or a clock: the HTTP edge runs it in real time, the simulated world in its own.
"""

import gc
from collections.abc import Iterable
from itertools import groupby
from typing import Protocol

from herder.testing.kubernetes.api.answers import Answer, ApiError, Request
from herder.testing.kubernetes.api.kinds import KINDS
from herder.testing.kubernetes.api.routes import Registry
from herder.testing.kubernetes.api.service import Service
from herder.testing.kubernetes.api.verbs import Verbs, Writing
from herder.testing.kubernetes.api.watches import Watch
from herder.testing.kubernetes.controllers.budgets import Budgets
from herder.testing.kubernetes.controllers.daemon_sets import DaemonSets
from herder.testing.kubernetes.controllers.definitions import Definitions
from herder.testing.kubernetes.controllers.garbage import Garbage, Namespaces, PodGarbage
from herder.testing.kubernetes.controllers.jobs import Jobs
from herder.testing.kubernetes.controllers.nodes import Nodes, TaintManager
from herder.testing.kubernetes.controllers.queue import Moment
from herder.testing.kubernetes.controllers.quotas import Quotas
from herder.testing.kubernetes.faults import Faults
from herder.testing.kubernetes.kubelets.kubelets import Kubelets
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.ids import Ids
from herder.testing.kubernetes.objects.resources import (
    BUILT_IN,
    NAMESPACES,
    NODES,
    SERVICE_ACCOUNTS,
    Resource,
)
from herder.testing.kubernetes.objects.store import Change, Store
from herder.testing.kubernetes.objects.stored import DECODER, ENCODER
from herder.testing.kubernetes.objects.times import rfc3339
from herder.testing.kubernetes.rights.users import (
    ADMINISTRATORS,
    AUTHENTICATED,
    Tokens,
    User,
    service_account,
)
from herder.testing.kubernetes.scheduler.loop import Scheduler
from herder.testing.kubernetes.settings import ClusterSettings

FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
#: Rounds of the controllers in one step. More means that two of them undo each other's work.
ROUNDS_MOST = 1000


class Restless(Exception):
    """The controllers never come to rest."""


class Away(Exception):
    """The server does not listen: a fault that a test asked for."""


class Part(Protocol):
    """A controller, the scheduler or the kubelets."""

    @property
    def next_ms(self) -> int | None:
        """When it has something to do. 0: now. None: when something changes."""

    def step(self, now_ms: int) -> None: ...


class Cluster:
    def __init__(self, settings: ClusterSettings | None = None, now_ms: int = 0) -> None:
        self.settings = settings or ClusterSettings()
        self.moment = Moment(now_ms)
        self.faults = Faults()
        self.store = Store(self.settings.history)
        self.verbs = Verbs(self.store, self.settings, Ids(self.settings.seed), KINDS)
        self.registry = Registry(BUILT_IN)
        self.tokens = Tokens()
        for token, (name, groups) in self.settings.tokens.items():
            self.tokens.add(token, User(name=name, groups=(*groups, AUTHENTICATED)))
        if self.settings.anonymous_admin:
            self.tokens.nobody = User(name="kubernetes-admin", groups=(ADMINISTRATORS, AUTHENTICATED))
        self.service = Service(self.verbs, self.registry, self.tokens)
        self.store.listen(SERVICE_ACCOUNTS, self._account_changed)
        self.nodes = Nodes(self.verbs, self.moment)
        self.kubelets = Kubelets(self.verbs, self.moment, self.nodes)
        self.service.subresources.log_of = self.kubelets.runner.log_of
        self.service.subresources.use_of = self.kubelets.use_of
        self.parts: list[Part] = [
            self.nodes,
            TaintManager(self.verbs, self.moment),
            Budgets(self.verbs, self.moment),
            Garbage(self.verbs, self.moment, self.registry),
            Namespaces(self.verbs, self.moment, self.registry),
            PodGarbage(self.verbs, self.moment),
            Definitions(self.verbs, self.moment, self.registry),
            Quotas(self.verbs, self.moment),
            Jobs(self.verbs, self.moment),
            DaemonSets(self.verbs, self.moment),
            self.kubelets,
        ]
        if self.settings.scheduling:
            self.parts.append(Scheduler(self.verbs, self.moment))
        for name in FIRST_NAMESPACES:
            self.verbs.create(NAMESPACES, "", {"metadata": {"name": name}}, Writing(now_ms=now_ms))

    def _account_changed(self, change: Change) -> None:
        if change.deleted:
            self.tokens.revoke_user(service_account(*change.new.key).name)

    # --- requests

    def request(self, request: Request, now_ms: int) -> Answer | Watch:
        """Raises Away."""
        if now_ms < self.faults.away_until_ms:
            raise Away
        self.moment.now_ms = now_ms
        rule = self.faults.rule_for(request)
        if rule is not None and rule.status:
            return self.faults.instead(rule)
        found = self.service.handle(request, now_ms + self.faults.skew_ms)
        if isinstance(found, Watch) and self.faults.stall_new_watches:
            found.stalled = True
        return found if rule is None else self.faults.after(rule, found)

    def ask(
        self, method: str, path: str, now_ms: int, body: Json | None = None, **query: str
    ) -> tuple[int, Json]:
        """For tests in the same process: as the administrator, status and object."""
        token = next(iter(self.settings.tokens))
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = Request(
            method=method,
            path=path,
            query=query,
            headers={"authorization": f"Bearer {token}", "content-type": media},
            body=b"" if body is None else ENCODER.encode(body),
        )
        answer = self.request(request, now_ms)
        if isinstance(answer, Watch):
            raise TypeError("a watch has no body; use request")
        return answer.status, DECODER.decode(answer.body)

    # --- time

    def step(self, now_ms: int) -> int | None:
        """Do what is due. Answers when to call it again, if nothing is asked before; None: not at all."""
        self.moment.now_ms = now_ms
        for _ in range(ROUNDS_MOST):
            due = [part for part in self.parts if _is_due(part, now_ms)]
            if not due:
                return self._next_ms(now_ms)
            for part in due:
                part.step(now_ms)
        raise Restless(f"controllers are still due after {ROUNDS_MOST} rounds")

    def _next_ms(self, now_ms: int) -> int | None:
        for watch in list(self.service.watches):
            watch.step(now_ms + self.faults.skew_ms)
            if watch.ended:
                del self.service.watches[watch]
        times = [at_ms for part in self.parts if (at_ms := part.next_ms) is not None]
        times += [watch.next_ms - self.faults.skew_ms for watch in self.service.watches if not watch.stalled]
        return max(now_ms, min(times)) if times else None

    # --- bulk

    def load(self, objects: Iterable[Json], now_ms: int, *, monitored: bool = False) -> int:
        """Many whole objects, status included, as if they had long existed. `monitored`: nodes among them need a kubelet."""
        self.moment.now_ms = now_ms
        collecting = gc.isenabled()
        gc.disable()  # what is loaded stays: looking through it again and again takes minutes
        try:
            return sum(
                self.store.load(
                    resource, (self._whole(resource, each, now_ms, monitored=monitored) for each in found)
                )
                for resource, found in groupby(objects, self._resource_of)
            )
        finally:
            if collecting:
                gc.enable()
                gc.freeze()

    def _resource_of(self, obj: Json) -> Resource:
        group = obj["apiVersion"].rpartition("/")[0]
        resource = self.registry.named(group, obj["kind"])
        if resource is None:
            raise ApiError(404, "NotFound", f"there is no kind {obj['kind']} in group {group!r}")
        return resource

    def _whole(self, resource: Resource, obj: Json, now_ms: int, *, monitored: bool) -> Json:
        metadata = dict(obj["metadata"])
        if resource.namespaced:
            metadata.setdefault("namespace", "default")
        metadata.setdefault("uid", self.verbs.ids.uid())
        metadata.setdefault("creationTimestamp", rfc3339(now_ms))
        if resource.generation:
            metadata.setdefault("generation", 1)
        if resource is NODES and not monitored:
            self.nodes.unmonitored.add(metadata["name"])
        rest = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
        return {"metadata": metadata, **rest}

    def close(self) -> None:
        """End the processes of its pods."""
        self.kubelets.close()

    # --- faults

    def restart(self, now_ms: int, away_ms: int = 0) -> None:
        """The API server ends and begins anew: all connections break, all versions go on."""
        self.faults.away_until_ms = now_ms + away_ms
        for watch in list(self.service.watches):
            watch.hang_up()
        self.service.watches.clear()

    def stall_watches(self) -> int:
        """All watches that are open get nothing any more, and do not end."""
        for watch in self.service.watches:
            watch.stalled = True
        return len(self.service.watches)

    def compact(self) -> None:
        """No watch can be resumed from a version of before."""
        self.store.compact()


def _is_due(part: Part, now_ms: int) -> bool:
    next_ms = part.next_ms
    return next_ms is not None and next_ms <= now_ms
