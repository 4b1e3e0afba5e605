"""EC2 of AWS in a process, for tests: instances, quotas, stock-outs, spot interruptions, lists that are late and come in pages.

`Aws` is the fake without a network, on a time that is given (see `herder.testing.fakes`). Where botocore is installed, every request and every answer is checked
against its model of the API, and what that does not have is refused.
"""

from herder.testing.aws.cloud import ACCESS_KEY, SECRET, Aws

__all__ = ["ACCESS_KEY", "SECRET", "Aws"]
