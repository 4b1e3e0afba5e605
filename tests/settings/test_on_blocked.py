"""What a pool does about attempts that outlast a drain: how it is written, refused and doubted."""

import pytest

from herder.model.fleet.drain import OnBlocked
from herder.settings import SettingsError, load_texts
from herder.settings.lint import lint

POOL = "pools:\n  p:\n    driver: local\n    templates: [small]\n    max_workers: 1\n"


def test_it_is_force_unless_it_is_written() -> None:
    (pool,) = load_texts([("h.yaml", POOL)]).pools
    assert pool.lifetime.on_blocked is OnBlocked.FORCE
    (pool,) = load_texts([("h.yaml", f"{POOL}    on_blocked: wait\n")]).pools
    assert pool.lifetime.on_blocked is OnBlocked.WAIT


def test_another_word_is_refused_with_its_line_and_the_words_that_are_known() -> None:
    with pytest.raises(SettingsError) as caught:
        load_texts([("h.yaml", f"{POOL}    on_blocked: kill\n")])
    told = str(caught.value)
    assert "h.yaml:6" in told
    assert "on_blocked" in told
    assert "wait" in told
    assert "force" in told


def test_waiting_past_a_time_to_live_is_noted() -> None:
    found = [
        str(each) for each in lint(load_texts([("h.yaml", f"{POOL}    on_blocked: wait\n    ttl: 4h\n")]))
    ]
    (told,) = [each for each in found if "on_blocked" in each]
    assert "a running job keeps its worker past the ttl of 4h" in told
    found = [str(each) for each in lint(load_texts([("h.yaml", f"{POOL}    on_blocked: wait\n")]))]
    assert not [each for each in found if "on_blocked" in each]
