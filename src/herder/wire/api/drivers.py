"""Bodies of the REST API about drivers: their state and their calls in progress."""

from typing import Any, Literal

import msgspec

from herder.wire.api.clusters import ClusterCheckView
from herder.wire.api.resources import Result


class DriverCallView(msgspec.Struct, kw_only=True):
    """A call to the provider that has not returned."""

    verb: str
    worker: str
    since: str
    seconds: float
    abandoned: bool
    """Its deadline has passed: no caller waits for it, but it still occupies a place."""


class CreationsView(msgspec.Struct, kw_only=True):
    """What a driver is making."""

    under_way: int
    """From the turn of a claim until its machine runs, or until what was begun is being removed."""
    most: int
    """The setting `parallel_creates`."""
    waiting: int
    """Claims that wait for their turn."""
    waiting_text: str
    """For what they wait; empty when none does."""
    steps: dict[str, int]
    """Workers that are not ready, by step."""


class DriverView(msgspec.Struct, kw_only=True):
    name: str
    kind: str
    """Empty of one that is missing."""
    state: Literal["ready", "unknown", "unavailable", "frozen", "missing"]
    reason: str
    """Why it is not ready, and the remedy; empty when it is."""
    since: str | None
    """When it was frozen."""
    workers: int
    """That have not ended."""
    places: int
    """Calls that it may have at a time."""
    calls: list[DriverCallView]
    waiting: int
    """Calls that wait for a place."""
    abandoned: int
    abandoned_total: int
    """Since the server started."""
    last_error: str
    last_error_at: str | None
    capabilities: list[str]
    creations: CreationsView


class UnknownMachineView(msgspec.Struct, kw_only=True):
    """A machine under our tag that no worker row knows."""

    worker: str
    handle: str
    phase: str
    unknown_for_s: float
    held: bool
    """It was created in a time that the store has forgotten."""
    next: str
    """What happens to it."""
    not_adoptable: str
    """Why it cannot be adopted; empty when it can."""


class MissingWorkerView(msgspec.Struct, kw_only=True):
    """A worker whose machine complete listings lack."""

    worker: str
    state: str
    since: str


class SweepView(msgspec.Struct, kw_only=True):
    """One driver's machines against the worker rows."""

    driver: str
    frozen: str
    """Why the driver is frozen; empty when it is not."""
    not_now: str = ""
    """Why its machines can be neither adopted nor removed now; empty when they can."""
    put_back: str
    """Why Herder knows that the store was put back to an earlier state; empty when it was not."""
    listed_at: str | None
    unknown: list[UnknownMachineView]
    missing: list[MissingWorkerView]
    unknown_agents: int
    """Agents that go on calling with a token that belongs to no worker; of all drivers together."""


class SweepDecision(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a person decides about unknown machines."""

    action: Literal["adopt", "remove"]
    machines: list[str] = []
    """Empty: all that the last listing showed."""
    message: str = ""


class SweepAnswer(Result, kw_only=True):
    """What was decided, or in a dry run would be."""

    done: int = 0
    """Machines that are adopted or removed."""
    refused: int = 0
    """Machines that cannot be adopted; the text has the reasons."""
    stays_frozen: bool = False
    """The driver was frozen by the sweep and stays so; the text names the next command."""


class DriverAction(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Body of freeze, unfreeze and forget."""

    message: str = ""
    allow_removals: bool = False
    """Only of unfreeze: for ten minutes the sweep removes what is lost or unknown without its bound."""


class OperationView(msgspec.Struct, kw_only=True):
    """What the provider did with a machine, in its own words."""

    kind: str
    state: str
    """running, done or failed."""
    began: str | None
    by: str
    """Who asked for it, as the provider says."""
    detail: str
    """The provider's error."""


class DriverChecks(msgspec.Struct, kw_only=True):
    driver: str
    passed: bool
    checks: list[ClusterCheckView]


class AdoptablePoolView(msgspec.Struct, kw_only=True):
    """A group of machines that exists at the provider, as the pool that would adopt it."""

    name: str
    settings: dict[str, Any]
    """Of the pool, in the words of herder.yaml."""
    used_by: str
    """The pool that has it already."""
    refused: str
    """Why it cannot be adopted; empty when it can."""
    needs: list[str]
    """What its owner has to do before."""
    notes: list[str]


class DriverImport(msgspec.Struct, kw_only=True):
    driver: str
    pools: list[AdoptablePoolView]
