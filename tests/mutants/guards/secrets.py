"""Mutants of secrets."""

from typing import Any

from herder.wire.api.secrets import SecretsAnswer
from tests.mutants.mutant import Look, Mutant, answers_later, replaced

LOOK = Look(jobs_per_day=6_000, days=0.03, workers=6, intensity=2.0)


def _in_clear(sealed: Any) -> Any:
    def record(core: Any, key: Any, version: int, body: Any, *more: Any, **named: Any) -> Any:
        return sealed(core, key, version, body, *more, **named)._replace(sealed=body.value)

    return record


SECRET = (
    Mutant(
        guard="values are encrypted",
        removes="The value of a secret is stored as it was sent.",
        rules=("no secret is shown",),
        look=LOOK,
        replaced=(replaced("herder.control.access.secrets:_sealed", _in_clear),),
    ),
    Mutant(
        guard="secrets of attempts",
        removes="An attempt that asks for its secrets gets none.",
        rules=("attempts have the secrets of their user",),
        look=LOOK,
        replaced=(answers_later("herder.control.workers.secrets:secrets_of", SecretsAnswer),),
    ),
)
