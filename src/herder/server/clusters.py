"""The connections to the clusters that herder.yaml names, made at the start of a term of leading and not called yet."""

from collections.abc import Callable
from itertools import count

from herder.control.kernel.clock import SystemClock
from herder.control.kernel.secret_tokens import hash_token, new_token
from herder.memberships.registry import UnknownMembership, offer
from herder.model.fleet.cluster import ClusterSettings
from herder.model.values.phrases import sentences
from herder.model.values.resources import Dimensions
from herder.ports.cluster import Cluster, ClusterContext, ClusterError
from herder.server.options import StartError


def _chances() -> Callable[[], float]:
    """From 0 to 1, others in each server: only the pauses of connections depend on them."""
    seed, numbers = new_token(), count()
    return lambda: int(hash_token(f"{seed}/{next(numbers)}")[:8], 16) / 2**32


def make_clusters(
    wanted: tuple[ClusterSettings, ...], installation: str, resources: Dimensions
) -> dict[str, Cluster]:
    """By name. Raises StartError."""
    context = ClusterContext(
        installation=installation, resources=resources, clock=SystemClock(), chance=_chances()
    )
    return {each.name: _made(each, context) for each in wanted}


def _made(settings: ClusterSettings, context: ClusterContext) -> Cluster:
    try:
        make = offer(settings.membership, "make_cluster")
        if make is None:
            raise ClusterError(f"Membership {settings.membership} connects to no clusters.")
        made: Cluster = make(settings, context)
    except (ClusterError, UnknownMembership) as error:
        raise StartError(
            sentences(f"Cluster {settings.name} cannot be used", str(error)),
            "Correct the section `clusters` of herder.yaml.",
        ) from None
    return made
