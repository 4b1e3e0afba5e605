"""The section `alerts` of herder.yaml: what is read, and what is refused where."""

import pytest

from herder.control.alerts.policies import policies_of
from herder.ledger.alerts.documented import COMPUTE, CPU_HOUR
from herder.model.work.alerts import Channel
from herder.settings.load import load_texts
from herder.settings.sections.alerts import ALERT_FIELDS
from herder.settings.sections.upkeep import to_plain
from herder.settings.syntax.problems import SettingsError

TEXT = """
alerts:
  channels:
    coo: {url: https://chat.example.org/hook}
    division_gm: {folder: /srv/handoffs}
  chain: [division_gm, coo]
  cooldown: 1h
  escalate_after: 10m
  thresholds:
    compute-overallocation: {warning: 150}
  off: [cost-variance]
"""


def test_all_of_it() -> None:
    rules = load_texts([("herder.yaml", TEXT)]).alerts
    assert rules.channels == (
        Channel(name="coo", url="https://chat.example.org/hook"),
        Channel(name="division_gm", folder="/srv/handoffs"),
    )
    found = {each.id: each for each in policies_of(rules)}
    assert "cost-variance" not in found
    compute = found[COMPUTE.id]
    assert [each.at for each in compute.thresholds] == [150 * CPU_HOUR, 230 * CPU_HOUR, 250 * CPU_HOUR]
    assert (compute.chain, compute.cooldown_ms, compute.escalates_after_ms) == (
        ("division_gm", "coo"),
        3_600_000,
        600_000,
    )
    assert to_plain(rules, ALERT_FIELDS)["thresholds"] == {"compute-overallocation": {"warning": 150}}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("channels:\n    coo: {url: https://a, folder: /b}", 3, "A channel has either a url or a folder."),
        ("channels:\n    coo: {}", 3, "A channel has either a url or a folder."),
        ("channels:\n    coo: {url: chat}", 3, "'chat' is not a URL."),
        ("channels:\n    coo: {folder: here}", 3, "'here' is not an absolute path."),
        ("thresholds:\n    storage-capacity: {warning: 95}", 3, "The thresholds are not in order."),
        ("thresholds:\n    storage-capacity: {info: 50}", 3, None),
        ("thresholds:\n    storage: {warning: 50}", 3, None),
        ("thresholds:\n    storage-capacity: {warning: 0}", 3, None),
        ("off: [nothing]", 2, "There is no alert 'nothing'."),
    ],
)
def test_what_is_refused(text: str, line: int, message: str | None) -> None:
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", f"alerts:\n  {text}\n")])
    (problem,) = caught.value.problems
    assert problem.place.line == line
    assert message is None or problem.message == message
    assert problem.remedy
