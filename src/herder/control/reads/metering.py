"""Rates, reported use and the ledger. Part of `Reads`."""

from herder.control.reads.costs.report_reads import ReportReads
from herder.control.reads.rates import RateReads
from herder.control.reads.usage import UsageReads


class MeteringReads(RateReads, UsageReads, ReportReads):
    pass
