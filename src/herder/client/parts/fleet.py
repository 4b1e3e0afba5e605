"""Pools, workers and plans: the part of the client for operators."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from herder.client.http.transport import Transport
from herder.client.parts.pages import pages, whole
from herder.client.parts.work import message_body
from herder.wire.api.clusters import SchedulingInfo
from herder.wire.api.drivers import OperationView
from herder.wire.api.health import WorkerHealthView
from herder.wire.api.people import JoinTokenCreate, JoinTokenCreated
from herder.wire.api.resources import (
    Explanation,
    PlanView,
    PoolView,
    Result,
    ScaleAnswer,
    ScaleRequest,
    WorkerAction,
    WorkerView,
)


def segment(name: str) -> str:
    """A name as one part of a path, whatever is in it. The server says that an odd one does not exist."""
    if name in (".", ".."):  # they would name another path
        return name.replace(".", "%2E")
    return quote(name, safe="") or "-"


class Pools:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> Iterator[PoolView]:
        return whole(self._http, "/pools", PoolView)

    def get(self, pool: str) -> PoolView:
        return self._http.get(f"/pools/{segment(pool)}", PoolView)

    def scheduling_info(self, pool: str) -> SchedulingInfo:
        return self._http.get(f"/pools/{segment(pool)}/scheduling-info", SchedulingInfo)

    def why(self, pool: str) -> Explanation:
        """What the planner says of the pool now."""
        return self._http.get(f"/pools/{segment(pool)}/why", Explanation)

    def create_join_token(self, pool: str, request: JoinTokenCreate) -> JoinTokenCreated:
        """The answer holds the token, and nothing will ever show it again."""
        return self._http.write("POST", f"/pools/{segment(pool)}/join-tokens", JoinTokenCreated, request)

    def scale(
        self, pool: str, request: ScaleRequest, *, dry_run: bool = False, if_plan: str | None = None
    ) -> ScaleAnswer:
        """`if_plan`: the hash of a dry run. Raises ClientError when its answer would differ now."""
        path = f"/pools/{segment(pool)}/scale"
        query = {"dry_run": dry_run, "if_plan": if_plan}
        return self._http.write("POST", path, ScaleAnswer, request, query)

    def freeze(self, pool: str, message: str = "") -> Result:
        return self._http.write("POST", f"/pools/{segment(pool)}/freeze", Result, message_body(message))

    def unfreeze(self, pool: str, message: str = "") -> Result:
        return self._http.write("POST", f"/pools/{segment(pool)}/unfreeze", Result, message_body(message))

    def delete(self, pool: str, *, message: str = "", dry_run: bool = False) -> Result:
        query = {"dry_run": dry_run, "message": message or None}
        return self._http.write("DELETE", f"/pools/{segment(pool)}", Result, None, query)


class Workers:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(
        self,
        *,
        pool: str | None = None,
        state: str | None = None,
        ended: bool = False,
        faults: bool = False,
        limit: int | None = None,
    ) -> Iterator[WorkerView]:
        query: dict[str, Any] = {
            "pool": pool,
            "state": state,
            "ended": ended or None,
            "faults": faults or None,
        }
        return pages(self._http, "/workers", WorkerView, query, limit=limit)

    def get(self, worker: str) -> WorkerView:
        return self._http.get(f"/workers/{segment(worker)}", WorkerView)

    def why(self, worker: str) -> Explanation:
        return self._http.get(f"/workers/{segment(worker)}/why", Explanation)

    def health(self, worker: str) -> WorkerHealthView:
        return self._http.get(f"/workers/{segment(worker)}/health", WorkerHealthView)

    def console(self, worker: str) -> str:
        return self._http.get_text(f"/workers/{segment(worker)}/console")

    def logs(self, worker: str, service: str = "agent") -> str:
        """`service`: agent, start-script, console, or one of its system, such as kubelet."""
        return self._http.get_text(f"/workers/{segment(worker)}/logs", {"service": service})

    def operations(self, worker: str) -> Iterator[OperationView]:
        """What the provider did with its machine, newest first."""
        return whole(self._http, f"/workers/{segment(worker)}/operations", OperationView)

    def act(
        self,
        worker: str,
        verb: str,
        action: WorkerAction,
        *,
        dry_run: bool = False,
        if_plan: str | None = None,
    ) -> Result:
        """`verb`: cordon, uncordon, drain, extend or remove. `if_plan`: as of `Pools.scale`."""
        path = f"/workers/{segment(worker)}/{verb}"
        return self._http.write("POST", path, Result, action, {"dry_run": dry_run, "if_plan": if_plan})


class Plans:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, *, actions: bool = False, limit: int | None = None) -> Iterator[PlanView]:
        """Newest first; `actions`: only those that did something."""
        return pages(self._http, "/plans", PlanView, {"actions": actions or None}, limit=limit)

    def get(self, number: int) -> PlanView:
        return self._http.get(f"/plans/{number}", PlanView)

    def next(self) -> PlanView:
        """What would be done now. Records and changes nothing."""
        return self._http.get("/plans/next", PlanView)
