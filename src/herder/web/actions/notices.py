"""What was done, for the page that a form leads back to. In memory: after a restart the events tell it."""

from collections import OrderedDict

#: Notices kept, of all visitors.
NOTICES_MAX = 1_000


class Notices:
    def __init__(self) -> None:
        self._texts: OrderedDict[tuple[str, str], str] = OrderedDict()

    def keep(self, user: str, key: str, text: str) -> None:
        self._texts[user, key] = text
        if len(self._texts) > NOTICES_MAX:
            self._texts.popitem(last=False)

    def of(self, user: str, key: str) -> str:
        """Empty: there is none, or it is another's."""
        return self._texts.get((user, key), "")
