"""Nothing: the machine belongs to a pool that only has a size. It is ready when the provider has made it, and takes no work of ours."""

from herder.model.fleet.membership import LivesBy, Membership

MEMBERSHIP = Membership(name="none", lives_by=LivesBy.PROVIDER)
