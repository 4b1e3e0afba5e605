"""Workers as EC2 instances of Amazon Web Services."""

from herder.drivers.aws.driver import AwsDriver
from herder.drivers.aws.opening import make
from herder.drivers.aws.options import pool_faults
from herder.drivers.aws.settings import AwsSettings

settings_type = AwsSettings

__all__ = ["AwsDriver", "AwsSettings", "make", "pool_faults", "settings_type"]
