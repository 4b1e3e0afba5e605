"""Rates, reported use, the ledger, and alerts of it. Part of `Reads`."""

from herder.control.reads.alerts import AlertReads
from herder.control.reads.costs.cost_reads import CostReads
from herder.control.reads.costs.documented import DocumentedCostReads
from herder.control.reads.rates import RateReads
from herder.control.reads.usage import UsageReads


class MeteringReads(RateReads, UsageReads, CostReads, DocumentedCostReads, AlertReads):
    pass
