"""The section `callbacks` of herder.yaml."""

import json

import pytest

from herder.model.work.callbacks import CallbackRules
from herder.settings import SettingsError
from herder.settings.load import load_texts
from herder.settings.show import expanded


def test_what_is_written_is_read_and_written_again() -> None:
    text = "callbacks: {allow: [10.1.0.0/16, '*.corp.example', 'fd00::/8', CI.example.org, 127.0.0.1], timeout: 5s, give_up: 2h}"
    rules = CallbackRules(
        allow=("10.1.0.0/16", "*.corp.example", "fd00::/8", "ci.example.org", "127.0.0.1"),
        timeout_s=5,
        give_up_s=7200,
    )
    settings = load_texts([("h.yaml", text)])
    assert settings.callbacks == rules
    plain = json.dumps({"callbacks": expanded(settings)["callbacks"]})
    assert load_texts([("h.json", plain)]).callbacks == rules
    assert load_texts([("h.yaml", "")]).callbacks == CallbackRules()


@pytest.mark.parametrize(
    "entry", ["10.1.0.1/16", "10.1.0.0/33", "300.1.1.1", "fd00::/200", "https://x.org", "a b", "x.*", "x:80"]
)
def test_an_entry_that_is_neither_network_nor_host_is_refused(entry: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_texts([("h.yaml", f"callbacks:\n  allow: [ok.example.org, '{entry}']\n")])
    (problem,) = caught.value.problems
    assert problem.message == f"{entry!r} is neither a network nor a host."
    assert (problem.place.line, problem.key) == (2, "callbacks.allow[1]")
    assert problem.remedy.startswith("Write a network (10.1.0.0/16)")
