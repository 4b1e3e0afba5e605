"""Rates, reported use, and alerts of both. Part of `Reads`."""

from herder.control.reads.alerts import AlertReads
from herder.control.reads.rates import RateReads
from herder.control.reads.usage import UsageReads


class MeteringReads(RateReads, UsageReads, AlertReads):
    pass
