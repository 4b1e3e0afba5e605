"""Rates, reported use, the ledger with its reports, alerts of it, and budgets. Part of `Reads`."""

from herder.control.reads.alerts import AlertReads
from herder.control.reads.budgets import BudgetReads
from herder.control.reads.costs.budget_forecasts import BudgetForecastReads
from herder.control.reads.costs.documented import DocumentedCostReads
from herder.control.reads.costs.explained_change import ChangeReads
from herder.control.reads.costs.recommendation_reads import RecommendationReads
from herder.control.reads.costs.report_reads import ReportReads
from herder.control.reads.costs.stored_reports import StoredReportReads
from herder.control.reads.rates import RateReads
from herder.control.reads.usage import UsageReads


class MeteringReads(
    RateReads,
    UsageReads,
    ReportReads,
    StoredReportReads,
    DocumentedCostReads,
    ChangeReads,
    RecommendationReads,
    AlertReads,
    BudgetReads,
    BudgetForecastReads,
):
    pass
