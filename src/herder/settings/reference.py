"""The reference of herder.yaml as a document, made from the reader's tables. `make docs` writes it."""

import json
from typing import Any

from herder.analysis.optimisation.recommendations import Rules
from herder.decide.placement.ageing import Ageing
from herder.ledger.budgets.spec import BudgetSpec
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.creation import DEFAULT_LIMITS
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName
from herder.model.work.alerts import AlertRules
from herder.model.work.callbacks import CallbackRules
from herder.model.work.job_type import KNOWN, JobType
from herder.model.work.sharing import Preemption
from herder.settings.sections.alerts import ALERT_FIELDS
from herder.settings.sections.budgets import BUDGET_FIELDS
from herder.settings.sections.clusters import CLUSTER_FIELDS
from herder.settings.sections.creations import DRIVER_FIELDS
from herder.settings.sections.fields import Field
from herder.settings.sections.jobs.callbacks import CALLBACK_FIELDS
from herder.settings.sections.jobs.intakes import INTAKE_FIELDS, IntakeSettings
from herder.settings.sections.jobs.job_types import JOB_TYPE_FIELDS, SLOTS_FIELD
from herder.settings.sections.jobs.object_stores import documented
from herder.settings.sections.jobs.sharing_fields import (
    AGEING_FIELDS,
    PREEMPTION_FIELDS,
    PRIORITY_FIELDS,
    PROJECT_FIELDS,
    USER_QUEUED_FIELD,
    USER_QUOTA_FIELD,
)
from herder.settings.sections.observability import TRACE_FIELDS, TraceSettings
from herder.settings.sections.pipelines import PIPELINE_FIELDS
from herder.settings.sections.pool.pool_fields import POOL_FIELDS
from herder.settings.sections.pool.pools import template_to_plain
from herder.settings.sections.pool.presets import PRESETS, TEMPLATES
from herder.settings.sections.pool.template_fields import TEMPLATE_FIELDS
from herder.settings.sections.recommendations import RECOMMENDATION_FIELDS
from herder.settings.sections.upkeep import (
    RETENTION_FIELDS,
    SWEEP_FIELDS,
    RetentionSettings,
    SweepSettings,
)


def reference() -> str:
    """Markdown: every setting of pools and templates with its default, the built-in templates and presets."""
    pool = PoolSpec(name=PoolName("x"))
    parts = [
        "# Settings of herder.yaml",
        "Generated from the tables of the reader by `make docs`; do not edit. Read [Configuration](../configuration.md) first.",
        "## A pool",
        _table(POOL_FIELDS, lambda field: _default(field.of(pool), field)),
        "`templates` lists the templates of the pool, by name or written out. `preset` starts from one of the presets below.",
        "## Creations of a driver",
        "Settings of each driver under `drivers:`, beside kind, machine and settings. A kind of driver may have other defaults.",
        _table(DRIVER_FIELDS, lambda field: _default(field.of(DEFAULT_LIMITS), field)),
        "## Each of `clusters:`",
        "How a cluster is reached. Read when the server starts; a pool names it with `cluster`. "
        "[Nodes of Kubernetes as workers](../how-to/kubernetes.md) shows how to use them.",
        _table(CLUSTER_FIELDS, lambda field: _default(field.of(ClusterSettings(name="x")), field)),
        "## Each of `bootstraps:`",
        "What makes machines join. Read when the server starts; a pool whose workers are nodes names it with `bootstrap`. `kind` is which kind "
        "it is (default: its name); the settings of the kind are written beside it. They name the files in which secrets are.",
        "## Each of `object_stores:`",
        "For which URLs of inputs and outputs the server signs. Read when the server starts; [data of jobs](../how-to/data.md) shows how to use it.",
        _rows(["setting", "meaning"], [[f"`{key}`", doc] for key, doc in documented().items()]),
        "## Each of `intakes:`",
        "Queues in Redis or Valkey from which jobs come. Read when the server starts; [Take jobs from Redis](../how-to/take-jobs-from-redis.md).",
        _table(INTAKE_FIELDS, lambda field: _default(field.of(IntakeSettings(name="x")), field)),
        "## A template",
        _table(TEMPLATE_FIELDS, lambda field: ""),
        *_sharing(),
        "## Each of `budgets:`",
        "What may be spent in a period. Applied as pools are; [budgets](../how-to/budgets.md) shows how to use them.",
        _table(BUDGET_FIELDS, lambda field: _default(field.of(BudgetSpec(name="x")), field)),
        "## `sweep:`",
        "How the machines of providers are compared with workers. Read when the server starts.",
        _table(SWEEP_FIELDS, lambda field: _default(field.of(SweepSettings()), field)),
        "## `retention:`",
        "How long rows of the store are kept, and how many. Read when the server starts; [what is kept](retention.md).",
        _table(RETENTION_FIELDS, lambda field: _default(field.of(RetentionSettings()), field)),
        "## `callbacks:`",
        "Where messages about ended batches may go. Read when the server starts; [callbacks](../how-to/callbacks.md).",
        _table(CALLBACK_FIELDS, lambda field: _default(field.of(CallbackRules()), field)),
        "## `alerts:`",
        "Who is notified of alerts, and when the next recipient is. Read when the server starts; [alerts](../how-to/alerts.md).",
        _table(ALERT_FIELDS, lambda field: _default(field.of(AlertRules()), field)),
        "## `observability: traces:`",
        "Where traces of jobs are sent. Read when the server starts; [logs and traces](../how-to/logs-and-traces.md).",
        _table(TRACE_FIELDS, lambda field: _default(field.of(TraceSettings()), field)),
        "## `recommendations:`",
        "What is recommended, and what is needed before it is carried out. Read when the server starts; [recommendations](../how-to/save-costs.md).",
        _table(RECOMMENDATION_FIELDS, lambda field: _default(field.of(Rules()), field)),
        "## Built-in templates",
        _rows(["name", *(field.key for field in TEMPLATE_FIELDS)], _templates()),
        "## Built-in job types",
        _rows(["name", *(field.key for field in JOB_TYPE_FIELDS)], _job_types()),
        "## Presets",
        *(f"### `{name}`\n\n```yaml\n{_yaml(plain)}\n```" for name, plain in PRESETS.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _sharing() -> list[str]:
    return [
        "## How the fleet is shared",
        "These are sections of their own; [how to share a fleet](../how-to/share-a-fleet.md) shows how to use them.",
        "### `fair_share: ageing:`",
        _table(AGEING_FIELDS, lambda field: _default(getattr(Ageing(), field.attribute), field)),
        "### `fair_share: preemption:`",
        _table(PREEMPTION_FIELDS, lambda field: _default(getattr(Preemption(), field.attribute), field)),
        "### Each of `priority_classes:`",
        _table(PRIORITY_FIELDS, lambda field: ""),
        "### Each of `projects:`",
        _table(PROJECT_FIELDS, lambda field: ""),
        "### `fair_share: job_types:`",
        _table((SLOTS_FIELD,), lambda field: "`null`"),
        "### Each of `job_types:`",
        "The name of a type is what jobs say in `type`. A type named in [Built-in job types](#built-in-job-types) starts from the values there.",
        _table(JOB_TYPE_FIELDS, lambda field: _default(getattr(JobType(name="x"), field.attribute), field)),
        "### Each of `pipelines:`",
        "[Configurations of pipelines](../how-to/job-types.md#configurations-of-pipelines), by name.",
        _table(PIPELINE_FIELDS, lambda field: ""),
        "### Each of `users:`, beside role and weight",
        _table((USER_QUOTA_FIELD, USER_QUEUED_FIELD), lambda field: ""),
    ]


def _default(value: Any, field: Field) -> str:
    return f"`{json.dumps(field.write(value))}`"


def _table(fields: tuple[Field, ...], default: Any) -> str:
    return _rows(["setting", "default", "meaning"], [[f"`{f.key}`", default(f), f.doc] for f in fields])


def _templates() -> list[list[str]]:
    rows = []
    for template in TEMPLATES.values():
        plain = template_to_plain(template)
        rows.append([f"`{template.name}`", *(_cell(plain.get(field.key)) for field in TEMPLATE_FIELDS)])
    return rows


def _job_types() -> list[list[str]]:
    return [
        [f"`{name}`", *(_cell(field.write(getattr(each, field.attribute))) for field in JOB_TYPE_FIELDS)]
        for name, each in KNOWN.items()
    ]


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _rows(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _yaml(plain: dict[str, Any]) -> str:
    """JSON values are YAML values."""
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in plain.items())
