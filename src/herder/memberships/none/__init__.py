"""No membership: the pool only has a size. A worker is ready when the provider has created it, and takes no jobs."""

from herder.model.fleet.membership import LivesBy, Membership

MEMBERSHIP = Membership(name="none", lives_by=LivesBy.PROVIDER)
