"""Whether the driver can work: the API answers, each right is there. Called by a person who looks; changes nothing."""

from collections.abc import Sequence

from herder.drivers.kubernetes_jobs.api import Api
from herder.drivers.kubernetes_jobs.rights import NEEDED
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check
from herder.remote.kubernetes.calls import Right


def checks(api: Api) -> Sequence[Check]:
    found: list[Check] = []
    try:
        found += [_right(api, right) for right in NEEDED]
    except DriverError as error:
        return (Check(name="API server", passed=False, detail=str(error)),)
    detail = f"{api.connection.url} answers."
    return (Check(name="API server", passed=True, detail=detail), *found)


def _right(api: Api, right: Right) -> Check:
    if api.allowed(right):
        return Check(name=str(right), passed=True)
    return Check(
        name=str(right),
        passed=False,
        detail=f"The right is missing in namespace {api.namespace}.",
        remedy=f"Add the rule {right.rule} to the Role of Herder in namespace {api.namespace}: "
        f"herder cluster manifests --jobs {api.namespace}.",
    )
