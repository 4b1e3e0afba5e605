"""The JSON schema of herder.yaml, made from the reader's tables. For editors: `herder config schema`."""

from typing import Any

from herder.model.fleet.metric import ValueIs
from herder.model.fleet.pool import TaintEffect
from herder.model.fleet.repair import Condition, Rung
from herder.model.fleet.upkeep import Disruption
from herder.model.permissions import ROLES
from herder.model.values.resources import Unit
from herder.observability.logs import LogFormat, LogLevel
from herder.settings.sections.alerts import ALERT_FIELDS
from herder.settings.sections.alerts import SECTION as ALERTS
from herder.settings.sections.bootstraps import SECTION as BOOTSTRAPS
from herder.settings.sections.bootstraps import bootstrap_schema
from herder.settings.sections.budgets import SECTION as BUDGETS
from herder.settings.sections.budgets import budget_schema
from herder.settings.sections.clusters import CLUSTER_FIELDS
from herder.settings.sections.clusters import SECTION as CLUSTERS
from herder.settings.sections.creations import DRIVER_FIELDS
from herder.settings.sections.fields import Field
from herder.settings.sections.jobs.callbacks import CALLBACK_FIELDS, CALLBACKS
from herder.settings.sections.jobs.intakes import SECTION as INTAKES
from herder.settings.sections.jobs.intakes import intake_schema
from herder.settings.sections.jobs.job_types import JOB_TYPE_FIELDS, SLOTS_FIELD
from herder.settings.sections.jobs.job_types import SECTION as JOB_TYPES
from herder.settings.sections.jobs.object_stores import SECTION as OBJECT_STORES
from herder.settings.sections.jobs.object_stores import object_store_schema
from herder.settings.sections.jobs.sharing_fields import (
    AGEING_FIELDS,
    PREEMPTION_FIELDS,
    PRIORITY_FIELDS,
    PROJECT_FIELDS,
    USER_QUEUED_FIELD,
    USER_QUOTA_FIELD,
    quota_schema,
)
from herder.settings.sections.observability import OBSERVABILITY, TRACE_FIELDS, TRACES
from herder.settings.sections.pipelines import PIPELINE_FIELDS
from herder.settings.sections.pipelines import SECTION as PIPELINES
from herder.settings.sections.pool.pool_fields import POOL_FIELDS
from herder.settings.sections.pool.presets import PRESETS
from herder.settings.sections.pool.template_fields import TEMPLATE_FIELDS
from herder.settings.sections.recommendations import RECOMMENDATION_FIELDS
from herder.settings.sections.recommendations import SECTION as RECOMMENDATIONS
from herder.settings.sections.server import CONNECTION_KEYS
from herder.settings.sections.upkeep import RETENTION, RETENTION_FIELDS, SWEEP, SWEEP_FIELDS
from herder.settings.syntax.amounts import BUILT_IN_KEYS, SECTION


def json_schema() -> dict[str, Any]:
    text, amount = {"type": "string"}, {"type": ["string", "number"]}
    machine = {**_object(dict.fromkeys(BUILT_IN_KEYS, amount)), "additionalProperties": amount}
    pairs = {"type": "object", "additionalProperties": amount}
    driver = _object(
        {"kind": text, "machine": machine, "settings": pairs, **_plain_properties(DRIVER_FIELDS)}
    )
    user = _object(
        {
            "role": {"enum": list(ROLES)},
            "weight": {"type": "integer", "minimum": 1},
            "quota": {**USER_QUOTA_FIELD.schema, "description": USER_QUOTA_FIELD.doc},
            "queued_jobs": {**USER_QUEUED_FIELD.schema, "description": USER_QUEUED_FIELD.doc},
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "herder.yaml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            SECTION: _named(_declared()),
            "drivers": _named(driver),
            "templates": _named({"$ref": "#/$defs/template"}),
            "pools": _named({"$ref": "#/$defs/pool"}),
            "users": _named(user),
            "projects": _named(_object(_properties(PROJECT_FIELDS))),
            "priority_classes": _named(_object(_properties(PRIORITY_FIELDS))),
            "fair_share": _object(
                {
                    "ageing": _object(_plain_properties(AGEING_FIELDS)),
                    "preemption": _object(_plain_properties(PREEMPTION_FIELDS)),
                    JOB_TYPES: _object(_plain_properties((SLOTS_FIELD,))),
                }
            ),
            JOB_TYPES: _named(_object(_properties(JOB_TYPE_FIELDS))),
            PIPELINES: _named(_object(_properties(PIPELINE_FIELDS))),
            "server": _server(),
            SWEEP: _object(_plain_properties(SWEEP_FIELDS)),
            RETENTION: _object(_plain_properties(RETENTION_FIELDS)),
            ALERTS: _object(_plain_properties(ALERT_FIELDS)),
            RECOMMENDATIONS: _object(_plain_properties(RECOMMENDATION_FIELDS)),
            CALLBACKS: _object(_plain_properties(CALLBACK_FIELDS)),
            OBSERVABILITY: _object({TRACES: _object(_plain_properties(TRACE_FIELDS))}),
            "metric_sources": _named(_source()),
            BUDGETS: _named(budget_schema()),
            INTAKES: _named(intake_schema()),
            CLUSTERS: _named(_object(_properties(CLUSTER_FIELDS))),
            BOOTSTRAPS: _named(bootstrap_schema()),
            OBJECT_STORES: _named(object_store_schema()),
        },
        "$defs": {
            "pool": _pool(),
            "template": _object(_properties(TEMPLATE_FIELDS)),
            "taint": _taint(),
            "quota": quota_schema(),
            **_of_scaling(),
            **_of_upkeep(),
        },
    }


def _server() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "integer", "minimum": 1}
    return _object(
        {
            "listen": {**text, "examples": ["127.0.0.1:8765"]},
            "data_dir": text,
            "store_url": text,
            "public_url": text,
            "queued_jobs_per_user": {
                **number,
                "description": "Most jobs of a user that have not started; further submissions are refused with HTTP status 429.",
            },
            "queued_bytes_per_user": {
                "type": ["string", "number"],
                "description": "Most bytes of the commands, environments and inputs of these jobs, such as 4Gi.",
            },
            "log_bytes_per_attempt": {
                "type": ["string", "number"],
                "description": "Output that is kept of an attempt (its beginning and its end), in whole MiB from 1Mi to 64Mi.",
            },
            "log_format": {"enum": list(LogFormat), "description": "Form of log lines (text)."},
            "log_level": {
                "enum": list(LogLevel),
                "description": "Least level of log lines (warning; of JSON info).",
            },
            "budget_quantum": {
                **text,
                "description": "For how long workers reserve their cost in budgets at a time, from 10m to 1d; what a budget may be overspent by, at most.",
                "default": "15m",
            },
            **dict.fromkeys(CONNECTION_KEYS, number),
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _named(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": item}


def _properties(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {"name": {"type": "string"}, **_plain_properties(fields)}


def _plain_properties(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {field.key: {**field.schema, "description": field.doc} for field in fields}


def _pool() -> dict[str, Any]:
    template = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/template"}]}
    own = {
        "preset": {
            "enum": list(PRESETS),
            "description": "Settings to start from; the settings of the pool override them.",
        },
        "templates": {
            "type": "array",
            "items": template,
            "description": "The templates that its workers are created from.",
        },
    }
    return _object({**own, **_properties(POOL_FIELDS)})


def _taint() -> dict[str, Any]:
    effect = {"enum": [each.value for each in TaintEffect]}
    text = {"type": "string"}
    return {
        **_object({"key": text, "value": text, "effect": effect, "schedule_type": effect}),
        "required": ["key"],
    }


def _of_scaling() -> dict[str, Any]:
    """Settings of a pool that are mappings themselves."""
    count = {"type": "integer", "minimum": 0}
    duration = {"anyOf": [{"type": ["string", "null"]}, {"const": 0}]}
    schedule = _object(
        {
            "cron": {"type": "string", "examples": ["0 8 * * 1-5"]},
            "timezone": {"type": "string", "examples": ["Europe/Berlin"], "default": "UTC"},
            "min_workers": count,
            "max_workers": {"type": ["integer", "null"], "minimum": 0},
            "lead_time": duration,
            "duration": duration,
        }
    )
    amount = {"type": ["string", "number"]}
    part = {"type": ["number", "string", "null"], "examples": [0.8, "80%"]}
    pressure = {**_object({"above": part, "for": duration, "target": part}), "required": ["above"]}
    headroom = {"workers": count, **dict.fromkeys(BUILT_IN_KEYS, amount)}
    return {
        "schedule": {**schedule, "required": ["cron", "min_workers"]},
        "headroom": {**_object(headroom), "additionalProperties": amount},
        "pressure": pressure,
        "metric": _metric(duration, part),
        "zone": _zone(),
        "repair_rule": _repair_rule(duration),
        "repair_breaker": _object(
            {"workers": count, "percent": {"type": ["integer", "string"]}, "window": duration}
        ),
    }


def _of_upkeep() -> dict[str, Any]:
    """Maintenance windows and disruption budgets."""
    when = {
        "cron": {"type": "string", "examples": ["0 2 * * 6"]},
        "start": {"type": "string", "examples": ["02:00"]},
        "timezone": {"type": "string", "examples": ["Europe/Berlin"], "default": "UTC"},
        "duration": {"type": "string", "examples": ["4h"]},
    }
    reasons = {"type": "array", "items": {"enum": [each.value for each in Disruption]}}
    workers = {"type": ["integer", "string"], "minimum": 0, "examples": [1, "10%"]}
    return {
        "window": {**_object(when), "required": ["duration"]},
        "budget": {**_object({"workers": workers, "reasons": reasons, **when}), "required": ["workers"]},
    }


def _repair_rule(duration: dict[str, Any]) -> dict[str, Any]:
    row = _object(
        {
            "condition": {"enum": [each.value for each in Condition]},
            "after": duration,
            "count": {"type": "integer", "minimum": 1},
            "rung": {"enum": [each.value for each in Rung]},
        }
    )
    return {**row, "required": ["condition", "rung"]}


def _metric(duration: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": ["number", "string"]}
    metric = _object(
        {
            "name": text,
            "query": text,
            "per_worker": number,
            "source": text,
            "value": {"enum": [each.value for each in ValueIs]},
            "activation": number,
            "tolerance": part,
            "every": duration,
            "keep": duration,
        }
    )
    return {**metric, "required": ["name", "query", "per_worker"]}


def _declared() -> dict[str, Any]:
    flag = {"type": "boolean"}
    unit = {"enum": [each.value for each in Unit]}
    return {
        **_object({"unit": unit, "compressible": flag, "quota": flag, "cap": flag}),
        "type": ["object", "null"],
    }


def _source() -> dict[str, Any]:
    text = {"type": "string"}
    keys = {"url": text, "timeout": {"type": ["string", "number"]}, "token_file": text, "token_env": text}
    return {**_object(keys), "required": ["url"]}


def _zone() -> dict[str, Any]:
    price = {"type": ["string", "number", "null"]}
    most = {"type": ["integer", "null"], "minimum": 0}
    keys = {
        "name": {"type": "string"},
        "price_per_hour": price,
        "spot_price_per_hour": price,
        "max_workers": most,
    }
    return {**_object(keys), "required": ["name"]}
