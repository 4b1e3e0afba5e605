"""The client: one object with a part for each noun. Created by `connect`, or directly with an address and a token."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from herder.client.http.http_library import httpx
from herder.client.http.transport import RETRIES, TIMEOUT_S, Transport
from herder.client.parts.alerts import Alerts
from herder.client.parts.bootstraps import Bootstraps
from herder.client.parts.budgets import Budgets
from herder.client.parts.callbacks import Callbacks
from herder.client.parts.clusters import Clusters
from herder.client.parts.cost_reports import CostReports
from herder.client.parts.costs import Costs
from herder.client.parts.drivers import Drivers
from herder.client.parts.events import Events
from herder.client.parts.fleet import Plans, Pools, Workers, segment
from herder.client.parts.offers import Offers
from herder.client.parts.pages import whole
from herder.client.parts.rates import Rates
from herder.client.parts.schedules import Schedules
from herder.client.parts.secrets import Secrets
from herder.client.parts.usage import Usage
from herder.client.parts.work import Batches, Jobs
from herder.client.pipelines import Pipelines
from herder.wire.api.people import (
    ProjectView,
    TokenCreate,
    TokenCreated,
    TokenView,
    UserCreate,
    UserSet,
    UserView,
    WhoAmI,
)
from herder.wire.api.resources import ApplyAnswer, ApplyRequest, Result, Status
from herder.wire.api.work import JobTypeView

if TYPE_CHECKING:
    from herder.model.fleet.pool import PoolSpec


class HerderClient:
    """A connection to one server; close it, or use it in `with`. Not safe for several threads at a time."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.http = Transport(url, token, timeout_s=timeout_s, retries=retries, transport=transport)
        self.batches = Batches(self.http)
        self.callbacks, self.schedules = Callbacks(self.http), Schedules(self.http)
        self.pipelines = Pipelines(self.http)
        self.jobs = Jobs(self.http)
        self.rates, self.usage = Rates(self.http), Usage(self.http)
        self.pools = Pools(self.http)
        self.workers = Workers(self.http)
        self.plans = Plans(self.http)
        self.drivers, self.offers = Drivers(self.http), Offers(self.http)
        self.clusters, self.bootstraps = Clusters(self.http), Bootstraps(self.http)
        self.events, self.alerts, self.costs = Events(self.http), Alerts(self.http), Costs(self.http)
        self.budgets, self.cost_reports = Budgets(self.http), CostReports(self.http)
        self.secrets = Secrets(self.http)

    def __repr__(self) -> str:
        return f"HerderClient({self.http.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    def status(self) -> Status:
        return self.http.get("/status", Status)

    def apply(
        self,
        pools: Sequence["PoolSpec"],
        *,
        sharing: dict[str, Any] | None = None,
        budgets: dict[str, Any] | None = None,
        ahead: bool = False,
        dry_run: bool = False,
    ) -> ApplyAnswer:
        """Makes the pools as they are given, and how the fleet is shared; what is not given is left alone. `ahead`: what budgets limit may not exist yet."""
        from herder.settings.sections.pool.pools import pool_to_plain

        request = ApplyRequest(
            pools=[pool_to_plain(pool) for pool in pools],
            sharing=sharing or {},
            budgets=budgets or {},
            ahead=ahead,
        )
        return self.http.write("POST", "/apply", ApplyAnswer, request, {"dry_run": dry_run})

    def users(self) -> Iterator[UserView]:
        return whole(self.http, "/users", UserView)

    def projects(self) -> Iterator[ProjectView]:
        return whole(self.http, "/projects", ProjectView)

    def job_types(self) -> Iterator[JobTypeView]:
        return whole(self.http, "/job-types", JobTypeView)

    def who_am_i(self) -> WhoAmI:
        return self.http.get("/whoami", WhoAmI)

    def create_user(self, user: UserCreate) -> UserView:
        return self.http.write("POST", "/users", UserView, user)

    def set_user(self, name: str, changes: UserSet) -> UserView:
        return self.http.write("POST", f"/users/{segment(name)}", UserView, changes)

    def delete_user(self, name: str, *, cancel_jobs: bool = False, dry_run: bool = False) -> Result:
        query = {"cancel_jobs": cancel_jobs, "dry_run": dry_run}
        return self.http.write("DELETE", f"/users/{segment(name)}", Result, None, query)

    def tokens(self, *, user: str | None = None, ended: bool = False) -> Iterator[TokenView]:
        """Newest first; `ended`: also those that are revoked or over."""
        return whole(self.http, "/tokens", TokenView, {"user": user, "all": ended})

    def create_token(self, request: TokenCreate) -> TokenCreated:
        """The answer holds the token, and nothing will ever show it again."""
        return self.http.write("POST", "/tokens", TokenCreated, request)

    def revoke_token(self, token: str) -> Result:
        """By its id, which is no secret."""
        return self.http.write("DELETE", f"/tokens/{segment(token)}", Result)

    def health(self) -> dict[str, Any]:
        return self.http.get("/health", dict[str, Any])

    def ready(self) -> dict[str, Any]:
        return self.http.get("/ready", dict[str, Any])

    def invariants(self) -> list[Any]:
        """What contradicts itself in the server's books; empty when all is well."""
        answer = self.http.get("/invariants", dict[str, list[Any]])
        return answer.get("violations", [])
