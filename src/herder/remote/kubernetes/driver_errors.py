"""What the Kubernetes API refuses, as the errors that a driver may raise. Pure; called by the drivers whose machines are in a cluster.

A write whose answer is lost is an open outcome; one that was never sent, or that the API itself refuses, is none.
"""

from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.ports.cluster import ClusterError, ClusterForbidden
from herder.remote.kubernetes.errors import ApiBusy, ApiError, RightMissing
from herder.remote.kubernetes.sync_connection import Unanswered

#: What the API has refused before it did anything.
_UNDONE = frozenset({408, 429, 503})


def driver_error(error: ClusterError, *, writes: bool) -> DriverError:
    """`writes`: the call changes something."""
    text = error.of_namespace() if isinstance(error, RightMissing) else str(error)
    if isinstance(error, ClusterForbidden):
        return Unauthorised(text)
    if isinstance(error, ApiBusy):
        if error.status.code == 429:
            return RateLimited(text, max(1.0, error.retry_after_s))
        return OutcomeUnknown(text) if writes and error.status.code not in _UNDONE else Unavailable(text)
    if isinstance(error, Unanswered):
        return OutcomeUnknown(text) if writes else Unavailable(text)
    if isinstance(error, ApiError):
        return _refused(error, text)
    return Unavailable(text)


def _refused(error: ApiError, text: str) -> DriverError:
    if error.status.code == 403 and "exceeded quota" in error.status.message:
        return QuotaExceeded(text)
    if error.absent:
        # A namespace that is missing is a fault of the settings; an object that is missing is gone.
        return InvalidRequest(text) if "namespaces" in error.status.message else NotFound(text)
    if error.conflict or error.expired:
        return Unavailable(text)
    return InvalidRequest(text)
