"""Rules of secrets: an attempt gets those that its job names, and a value is nowhere else in clear: in no row, event, message or answer."""

import base64
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import select

from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord
from herder.model.stored.service_records import SecretRecord
from herder.simulate.chaos.actors.keepers import MARK, Keepers
from herder.simulate.chaos.world import World
from herder.store.rows.columns import metadata
from herder.wire.api.secrets import Delivered

SHOWN, GIVEN = "no secret is shown", "attempts have the secrets of their user"
#: As text, and as part of a value in base64.
_FORMS = (MARK.encode(), base64.b64encode(MARK.encode()))
_TO_WORKERS, _VALUES = "/api/v1/worker/", "/secrets"


class SecretRules:
    def __init__(self, world: World, keepers: Keepers) -> None:
        self._world, self._keepers = world, keepers
        self._users: dict[int, str] = {}
        """Of each job that names a secret."""

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        self._users.update((each.id, each.user) for each in changes.jobs_new if '"secrets"' in each.payload)
        for kind in (SecretRecord, EventRecord):
            for record in changes.rows.get(kind, {}).values():
                if _is_in(str(record).encode()):
                    yield SHOWN, f"A {kind.__name__} has the value of a secret: {record}."

    def starts(self, job: int, given: Sequence[Delivered]) -> Iterator[tuple[str, str]]:
        """An attempt is started with these."""
        user = self._users.get(job)
        values = self._keepers.values.get(user or "", set())
        if len(given) != (user is not None) or any(each.value.decode() not in values for each in given):
            yield GIVEN, f"An attempt of job {job} of user {user} got {len(given)} secrets, or wrong ones."

    def said(self, who: str, path: str, body: bytes, answer: bytes) -> Iterator[tuple[str, str]]:
        """Over the network. People send values, and workers ask for those of an attempt."""
        worker = path.startswith(_TO_WORKERS)
        if (worker and _is_in(body)) or (_is_in(answer) and not (worker and path.endswith(_VALUES))):
            yield SHOWN, f"The value of a secret was in a call of {who}, or in its answer: {path}."

    def at_rest(self) -> Iterator[tuple[str, str]]:
        """What was kept of all that happened."""
        with self._world.engine.connect() as connection:
            for table in metadata.sorted_tables:
                if any(_is_in(str(tuple(row)).encode()) for row in connection.execute(select(table))):
                    yield SHOWN, f"The value of a secret is in the table {table.name}."
        messages = (each.body for some in self._world.receivers.received.values() for each in some)
        if _any_of(messages) or _any_of(map(str, self._world.story)):
            yield SHOWN, "The value of a secret is in a message or in the story."


def _any_of(texts: Iterable[str]) -> bool:
    return any(_is_in(each.encode()) for each in texts)


def _is_in(text: bytes) -> bool:
    return any(form in text for form in _FORMS)
