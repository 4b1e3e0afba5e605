"""What the hooks of kinds may use: the store, the settings, the ids and the time of the request."""

from collections.abc import Callable
from dataclasses import dataclass

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.ids import Ids
from herder.testing.kubernetes.objects.store import Store
from herder.testing.kubernetes.settings import ClusterSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    store: Store
    settings: ClusterSettings
    ids: Ids
    now_ms: int


def _nothing(_obj: Json, _context: Context) -> None: ...


def _nothing_new(_new: Json, _old: Json, _context: Context) -> None: ...


def _no_causes(_obj: Json) -> list[Cause]:
    return []


def _no_update_causes(_new: Json, _old: Json) -> list[Cause]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a kind adds to the verbs. The hooks change the object in place."""

    read: Callable[[Json], None] = lambda _obj: None
    """Raises ValueError when it cannot be such an object at all (400)."""
    create: Callable[[Json, Context], None] = _nothing
    """Defaults, and what the server decides at creation."""
    admit: Callable[[Json, Context], None] = _nothing
    """Raises ApiError when a rule of the cluster forbids it. Called last, for an object that is valid."""
    update: Callable[[Json, Json, Context], None] = _nothing_new
    """New and old: defaults, and what a change may not touch."""
    causes: Callable[[Json], list[Cause]] = _no_causes
    update_causes: Callable[[Json, Json], list[Cause]] = _no_update_causes
    free_names: bool = False
    create_on_update: bool = False
    needs_version: bool = False
    """An update must name the version that it replaces."""
    keeps_status: bool = False
    """A status that is sent with a new object is kept."""
