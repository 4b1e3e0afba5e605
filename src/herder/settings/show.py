"""Settings as plain data for display: as written, or with presets and defaults filled in."""

from typing import Any

from herder.model.values.addresses import shown_address, shown_origin
from herder.settings.load import Settings, without_name
from herder.settings.sections.alerts import ALERT_FIELDS
from herder.settings.sections.alerts import SECTION as ALERTS
from herder.settings.sections.bootstraps import SECTION as SECTION_OF_BOOTSTRAPS
from herder.settings.sections.bootstraps import write_bootstrap
from herder.settings.sections.budgets import SECTION as BUDGETS
from herder.settings.sections.budgets import budgets_to_plain
from herder.settings.sections.clusters import SECTION as SECTION_OF_CLUSTERS
from herder.settings.sections.clusters import write_cluster
from herder.settings.sections.creations import write_limits
from herder.settings.sections.jobs.callbacks import CALLBACK_FIELDS, CALLBACKS
from herder.settings.sections.jobs.intakes import SECTION as INTAKES
from herder.settings.sections.jobs.intakes import write_intake
from herder.settings.sections.jobs.object_stores import SECTION as SECTION_OF_OBJECT_STORES
from herder.settings.sections.jobs.object_stores import write_object_store
from herder.settings.sections.jobs.sharing import sharing_to_plain
from herder.settings.sections.observability import OBSERVABILITY, write_traces
from herder.settings.sections.pool.pools import pool_to_plain, template_to_plain
from herder.settings.sections.recommendations import RECOMMENDATION_FIELDS
from herder.settings.sections.recommendations import SECTION as RECOMMENDATIONS
from herder.settings.sections.server import CONNECTION_KEYS, DriverSettings, MetricSource
from herder.settings.sections.upkeep import RETENTION, RETENTION_FIELDS, SWEEP, SWEEP_FIELDS, to_plain
from herder.settings.syntax.amounts import SECTION, resources_to_plain, write_amounts
from herder.settings.syntax.durations import format_duration


def as_written(settings: Settings) -> dict[str, Any]:
    return dict(settings.written)


def without_passwords(plain: dict[str, Any]) -> dict[str, Any]:
    """For a screen: what is shown there is also kept, in scrollback and in tickets."""
    server, alerts = plain.get("server"), plain.get(ALERTS)
    if isinstance(server, dict) and isinstance(server.get("store_url"), str):
        plain = {**plain, "server": {**server, "store_url": shown_address(server["store_url"])}}
    if isinstance(alerts, dict) and isinstance(alerts.get("channels"), dict):
        channels = {name: _channel(each) for name, each in alerts["channels"].items()}
        plain = {**plain, ALERTS: {**alerts, "channels": channels}}
    return plain


def _channel(channel: Any) -> Any:
    """What follows the host of an address may be a token."""
    if not isinstance(channel, dict) or not isinstance(channel.get("url"), str):
        return channel
    return {**channel, "url": f"{shown_origin(channel['url'])}/***"}


def expanded(settings: Settings) -> dict[str, Any]:
    """Every setting, also those that are not in the files. Loading it again gives the same settings."""
    server = settings.server
    sharing = sharing_to_plain(settings.sharing)
    quotas = sharing.pop("users")
    return {
        **({SECTION: resources_to_plain(settings.resources)} if settings.resources.declared else {}),
        "drivers": {driver.name: _driver(driver) for driver in settings.drivers},
        "templates": {each.name: without_name(template_to_plain(each)) for each in settings.templates},
        "pools": {pool.name: without_name(pool_to_plain(pool)) for pool in settings.pools},
        "users": {
            user.name: {"role": user.role.label, "weight": user.weight, **quotas.get(user.name, {})}
            for user in settings.users
        },
        "metric_sources": {each.name: _source(each) for each in settings.metric_sources},
        BUDGETS: budgets_to_plain(settings.budgets),
        INTAKES: {each.name: write_intake(each) for each in settings.intakes},
        SECTION_OF_CLUSTERS: {each.name: write_cluster(each) for each in settings.clusters},
        SECTION_OF_BOOTSTRAPS: {each.name: write_bootstrap(each) for each in settings.bootstraps},
        SECTION_OF_OBJECT_STORES: {each.name: write_object_store(each) for each in settings.object_stores},
        **sharing,
        "server": {
            "listen": f"{server.host}:{server.port}",
            **{
                key: value
                for key in ("data_dir", "store_url", "public_url", "queued_jobs_per_user", *CONNECTION_KEYS)
                if (value := getattr(server, key)) is not None
            },
            **(
                {"queued_bytes_per_user": f"{server.queued_mib_per_user}Mi"}
                if server.queued_mib_per_user is not None
                else {}
            ),
            **(
                {"log_bytes_per_attempt": f"{server.log_mib_per_attempt}Mi"}
                if server.log_mib_per_attempt is not None
                else {}
            ),
            "budget_quantum": format_duration(server.budget_quantum_s),
            "log_format": str(server.log_format),
            **({} if server.log_level is None else {"log_level": str(server.log_level)}),
        },
        SWEEP: to_plain(settings.sweep, SWEEP_FIELDS),
        RETENTION: to_plain(settings.retention, RETENTION_FIELDS),
        ALERTS: to_plain(settings.alerts, ALERT_FIELDS),
        RECOMMENDATIONS: to_plain(settings.recommendations, RECOMMENDATION_FIELDS),
        CALLBACKS: to_plain(settings.callbacks, CALLBACK_FIELDS),
        OBSERVABILITY: write_traces(settings.traces),
    }


def _driver(driver: DriverSettings) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "kind": driver.kind,
        "settings": dict(driver.settings),
        **write_limits(driver.limits),
    }
    if driver.machine is not None:
        plain["machine"] = write_amounts(driver.machine)
    return plain


def _source(source: MetricSource) -> dict[str, Any]:
    plain = {"url": source.url, "timeout": format_duration(source.timeout_s)}
    tokens = {"token_file": source.token_file, "token_env": source.token_env}
    return {**plain, **{key: value for key, value in tokens.items() if value is not None}}
