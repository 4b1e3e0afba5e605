"""Every error that can reach a person, word for word: each class has an example that is raised by the code that raises it.

A class without an example fails, and so does a text in the source that breaks a rule of `docs/style.md`.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import herder
from herder.cli.input.job_rows import RowFault
from herder.model.fleet import driver
from herder.remote.prometheus import NoValue
from tests.words import (
    cloud_cases,
    cluster_cases,
    container_cases,
    data_cases,
    error_cases,
    python_client_cases,
    secret_cases,
    talos_cases,
)
from tests.words.error_cases import Case
from tests.words.literals import SOURCE, calls, texts
from tests.words.rules import faults

CASES = (
    *error_cases.CASES,
    *cloud_cases.CASES,
    *cluster_cases.CASES,
    *talos_cases.CASES,
    *python_client_cases.CASES,
    *container_cases.CASES,
    *data_cases.CASES,
    *secret_cases.CASES,
)
#: Where people may meet errors. The simulator's own are for those who write policies, those of `testing` for those who write tests.
PACKAGES_LEFT_OUT = ("herder.simulate", "herder.testing")
#: Never shown: caught in the package that raises them, which tells something else; or a base that is not raised itself.
INTERNAL = {
    "herder.reports.stored.Damaged",
    "herder.reports.focus.files.FocusError",
    "herder.ledger.budgets.leases.BudgetError",
    "herder.ledger.budgets.leases.BudgetInUse",
    "herder.server.http.protocol._BoundBroken",
    "herder.drivers.aws.errors.TokenUsed",
    "herder.drivers.aws.errors.WouldPass",
    "herder.remote.azure.errors.VmExists",
    "herder.agent.containers.engine.EngineDown",
    "herder.agent.data.transfers.Stopped",
    "herder.agent.containers.engine.EngineRefused",
    "herder.ledger.price_lists.PriceError",
    "herder.ledger.rates.RateError",
    "herder.ledger.token_reports.ReportError",
    "herder.secrets.sealing.SealError",
    "herder.settings.syntax.json_text._Twice",
    "herder.settings.syntax.json_text._NoNumber",
    "herder.store.opening.file.InUse",
    "herder.client.errors.ClientError",
    "herder.memberships.kubernetes.demand.pod_rules.NotHonoured",
    "herder.memberships.kubernetes.quantities.QuantityError",
    "herder.ports.cluster.ClusterForbidden",
    "herder.ports.intake.IntakeDown",
    "herder.remote.kubernetes.informer._Silent",
    "herder.remote.kubernetes.informer._SetBack",
    "herder.remote.talos.errors.Lost",
    "herder.remote.talos.wire.TooLarge",
    "herder.remote.talos.errors.Refused",
}
#: Raised by drivers of others only; what they say is theirs.
OF_DRIVERS = {
    driver.DriverError,
    driver.AlreadyExists,
    driver.QuotaExceeded,
    driver.RateLimited,
    driver.Unauthorised,
}
#: Their texts are quoted within a sentence of another.
CLAUSES = (NoValue, RowFault)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.__qualname__)
def test_an_error_says_what_is_wrong_and_what_to_do(case: Case) -> None:
    with pytest.raises(case.kind) as caught:
        case.raises()
    error = caught.value
    assert type(error) is case.kind
    assert str(error) == case.says
    hint = getattr(error, "hint", "")
    if case.hint or not isinstance(error, driver.DriverError):
        assert hint == case.hint
    assert faults(case.says, whole=not isinstance(error, CLAUSES)) == []
    assert faults(hint) == []


def test_each_error_class_has_an_example() -> None:
    shown = {kind for kind in _error_classes() if _name(kind) not in INTERNAL and kind not in OF_DRIVERS}
    assert {case.kind for case in CASES} == shown
    assert {_name(kind) for kind in _error_classes()} >= INTERNAL


def _error_classes() -> Iterator[type[Exception]]:
    for module in pkgutil.walk_packages(herder.__path__, "herder."):
        if (
            module.name.startswith(PACKAGES_LEFT_OUT)
            or module.name.endswith("__main__")
            or "migrations" in module.name
        ):
            continue
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Exception) and kind.__module__ == module.name:
                yield kind


def _name(kind: type[Exception]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


#: Not read by people who use Herder: names of migrations, and the suite for authors of drivers.
LEFT_OUT = ("store/migrations", "testing")
#: The simulator's own errors have no examples here (`PACKAGES_LEFT_OUT`), but are sentences too.
OF_THE_SIMULATOR = frozenset({"TraceError", "SolverMissing", "EndlessWork", "PolicyFault", "PolicyError"})
ERRORS = (
    frozenset(case.kind.__name__ for case in CASES if not issubclass(case.kind, CLAUSES))
    | {
        "wrong",
        "problem",
    }
    | OF_THE_SIMULATOR
)


def _files() -> Iterator[Path]:
    for path in sorted(SOURCE.rglob("*.py")):
        if not str(path.relative_to(SOURCE)).startswith(LEFT_OUT):
            yield path


def test_what_is_given_to_an_error_is_a_sentence() -> None:
    found = []
    for path in _files():
        for line, name, given in calls(path, ERRORS):
            found += [
                f"{path.relative_to(SOURCE)}:{line}: {name}: {text!r}: {each}"
                for text in given
                for each in faults(text)
            ]
    assert found == []


#: What records an event or answers a write, with the texts given to it.
SAYS = frozenset(
    {"record_event", "Result", "_Step", "_event", "_tell", "_tell_trouble", "suspect", "tell_user"}
)


def test_what_an_event_or_a_result_says_is_a_sentence() -> None:
    found = []
    for path in _files():
        for line, name, given in calls(path, SAYS):
            found += [
                f"{path.relative_to(SOURCE)}:{line}: {name}: {text!r}: {each}"
                for text in given
                for each in faults(text)
            ]
    assert found == []


def test_no_text_uses_a_forbidden_word() -> None:
    found = []
    for path in _files():
        for line, text in texts(path):
            found += [
                f"{path.relative_to(SOURCE)}:{line}: {text!r}: {each}" for each in faults(text, whole=False)
            ]
    assert found == []
