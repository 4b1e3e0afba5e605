"""Settings of creations: time-outs of steps, limits of drivers, and what `config lint` says of them."""

import pytest

from herder.drivers.registry import creation_limits
from herder.model.fleet.creation import CreationLimits, Step, StepTimeouts, part_of, steps_reported
from herder.model.values.resources import Resources
from herder.settings import SettingsError, load_texts
from herder.settings.lint import lint
from herder.settings.sections.creations import limits_over
from herder.settings.show import expanded

POOL = "templates: [small], max_workers: 4"


def loaded(text: str):
    return load_texts([("h.yaml", text)])


def lifetime(more: str):
    (pool,) = loaded(f"pools:\n  p: {{{POOL}, {more}}}\n").pools
    return pool.lifetime


def test_the_steps_add_up_to_the_boot_timeout() -> None:
    assert StepTimeouts().total_s == lifetime("min_workers: 0").boot_timeout_s == 750
    assert lifetime("step_timeouts: {create: 10s, boot: 20s}").boot_timeout_s == 10 + 30 + 60 + 20 + 120 + 330
    given = lifetime("step_timeouts: {create: 10s}, boot_timeout: 5m")
    assert (given.boot_timeout_s, given.steps.create_s) == (300, 10)


def test_a_longer_boot_timeout_alone_stretches_the_steps() -> None:
    assert lifetime("boot_timeout: 25m").steps.create_s == 180
    assert lifetime("boot_timeout: 60s").steps == StepTimeouts()


def test_what_a_driver_does_not_report_belongs_to_the_step_before() -> None:
    one, three = steps_reported(()), steps_reported([Step.START, Step.CREATE, Step.CONFIGURE])
    assert part_of(Step.CREATE, one) == (Step.CREATE, Step.CONFIGURE, Step.START)
    assert part_of(Step.BOOT, one) == (Step.BOOT, Step.JOIN, Step.READY)
    assert [part_of(step, three) for step in three] == [(step,) for step in three]
    four = steps_reported([Step.CONFIGURE, Step.START, Step.BOOT])
    assert part_of(Step.BOOT, four) == (Step.BOOT,)
    assert part_of(Step.JOIN, four) == (Step.JOIN, Step.READY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"pools:\n  p: {{{POOL}, step_timeouts: {{clone: 5s}}}}",
            "h.yaml:2:59: pools.p.step_timeouts.clone: There is no such setting.",
        ),
        (
            f"pools:\n  p: {{{POOL}, step_timeouts: {{boot: 0s}}}}",
            "pools.p.step_timeouts.boot: The value must be 1s to 1d. Write a duration from 1s to 1d.",
        ),
        ("drivers:\n  a: {kind: pretend, create_tries: 0}", "drivers.a.create_tries"),
        ("drivers:\n  a: {kind: pretend, create_tries: 21}", "21 is above the maximum of 20. Write at most 20."),
        ("drivers:\n  a: {kind: pretend, parallel_creates: 5000}", "5,000 is above the maximum of 1,000."),
        ("drivers:\n  a: {kind: pretend, pause_between_starts: 1h}", "The value must be 0s to 10m."),
        ("drivers:\n  a: {kind: pretend, call_timeout: 20m}", "The value must be 1s to 10m."),
    ],
)  # fmt: skip
def test_bad_values_name_line_key_and_remedy(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(text)
    assert said in str(caught.value)


def test_limits_of_a_driver_are_read_over_those_of_its_kind_and_come_back() -> None:
    text = (
        "drivers:\n  a: {kind: pretend, parallel_creates: 3, pause_between_starts: 5s, call_timeout: null}\n"
    )
    (driver,) = loaded(text).drivers
    limits = limits_over(driver.limits, CreationLimits(create_tries=7, call_timeout_s=9))
    assert limits == CreationLimits(create_tries=7, parallel_creates=3, pause_between_starts_s=5)
    shown = expanded(loaded(text))["drivers"]["a"]
    assert (shown["parallel_creates"], shown["pause_between_starts"]) == (3, "5s")
    assert "create_tries" not in shown
    assert creation_limits("local") == CreationLimits(
        create_tries=3, create_retry_pause_s=1, parallel_creates=8
    )


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ("boot_timeout: 60s, step_timeouts: {boot: 2m}", "Step boot may take 2m, longer than the whole boot"),
        ("boot_timeout: 5m, step_timeouts: {boot: 2m}", "The steps may take 750s together"),
        ("step_timeouts: {configure: 20s}", "Driver local has no step configure, so its 20s are added to the step before."),
        ("boot_timeout: 5m, provision_alert: 10m", "provision_alert 10m never comes"),
        ("driver: slow, new_workers_per_cycle: 40, max_workers: 100", "the last ones wait longer than 15m (step claim) and fail."),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_a_finding(pool: str, said: str) -> None:
    size = "" if "max_workers" in pool else "max_workers: 4, "
    text = (
        f"drivers:\n  slow: {{kind: pretend, pause_between_starts: 30s}}\n"
        f"pools:\n  p: {{templates: [small], {size}{pool}}}\n"
    )
    found = [str(problem) for problem in lint(loaded(text))]
    assert any(said in each for each in found), found


def test_the_defaults_are_no_finding() -> None:
    found = lint(loaded(f"pools:\n  p: {{{POOL}, ttl: 4h}}\n"))
    assert not [each for each in found if "step" in each.message or "provision_alert" in each.message]


def test_a_pool_of_several_drivers_is_judged_by_what_each_can_do() -> None:
    text = """
drivers:
  cloud: {kind: pretend, settings: {configure_s: "1"}}
templates:
  here: {cpu: 1, memory: 1Gi, price_per_hour: "0.10"}
  there: {cpu: 1, memory: 1Gi, price_per_hour: "0.20", driver: cloud}
pools:
  std: {driver: local, templates: [here, there], min_workers: 2000, max_workers: 3000, step_timeouts: {configure: 20s}}
"""
    machine = Resources(8_000, 16_384, 1_000_000)
    found = [str(each) for each in lint(load_texts([("h.yaml", text)]), machine)]
    assert not [each for each in found if "need more than this machine" in each or "has no step" in each], (
        found
    )
    alone = [
        str(each) for each in lint(load_texts([("h.yaml", text.replace(", driver: cloud", ""))]), machine)
    ]
    assert [each for each in alone if "need more than this machine" in each]
    assert [each for each in alone if "Driver local has no step configure" in each]
