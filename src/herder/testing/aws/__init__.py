"""A region of AWS in a process, for tests: EC2 with instances, volumes, quotas, stock-outs, spot interruptions, lists that are late and come in pages; the price list,
Service Quotas and the log of the account.

`Aws` is the fake without a network, on a time that is given (see `herder.testing.fakes`). Where botocore is installed, every request and every answer is checked
against its models of the APIs, and what those do not have is refused.
"""

from herder.testing.aws.cloud import ACCESS_KEY, SECRET, Aws

__all__ = ["ACCESS_KEY", "SECRET", "Aws"]
