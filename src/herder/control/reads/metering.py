"""Rates and reported use. Part of `Reads`."""

from herder.control.reads.rates import RateReads
from herder.control.reads.usage import UsageReads


class MeteringReads(RateReads, UsageReads):
    pass
