"""Names, for what looks for an object by a part of one. Part of `Reads`."""

from herder.control.access.access_check import FLEET, check
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Principal


class NameReads:
    _core: Core

    def worker_names(self, who: Principal) -> list[str]:
        """Of workers that live, sorted."""
        check(who, Action.SEE, FLEET)
        return sorted(self._core.state.workers)
