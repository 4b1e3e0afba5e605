"""`bootstraps:` as people write it, the pool setting `bootstrap`, and what is wrong with either."""

import types
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from herder.bootstraps import registry
from herder.memberships import registry as memberships
from herder.model.fleet.bootstrap import BootstrapSettings
from herder.model.fleet.driver import InvalidRequest, NoClock
from herder.ports.bootstrap import BootstrapContext
from herder.settings import SettingsError, expanded, load_texts, pool_from_plain, pool_to_plain
from herder.settings.lint import lint
from tests.support.fake_bootstrap import FakeBootstrap
from tests.support.fake_cluster import know_nodes

TEXT = """
clusters: {prod: {membership: nodes}}
bootstraps:
  talos: {kind: fake, config_file: /etc/worker.yaml, endpoints: [10.0.0.1, 10.0.0.2], tries: 3}
pools:
  burst: {templates: [small], membership: nodes, cluster: prod, bootstrap: talos}
"""
CONTEXT = BootstrapContext(name="talos", installation="test", clock=NoClock())


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSettings:
    config_file: str
    endpoints: tuple[str, ...] = ()
    tries: int = 1


def make(settings: FakeSettings, context: BootstrapContext) -> FakeBootstrap:
    if settings.config_file == "absent":
        raise InvalidRequest("there is no file absent")
    return FakeBootstrap(name=context.name, fingerprint=settings.config_file)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    offered = types.SimpleNamespace(settings_type=FakeSettings, make=make)
    point = types.SimpleNamespace(name="fake", value="somewhere:fake", load=lambda: offered)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    yield
    memberships.load.cache_clear()
    memberships.memberships.cache_clear()


def doubts(text: str) -> list[str]:
    found = lint(load_texts([("h.yaml", text)]), bootstrap_faults=registry.settings_faults)
    return [
        f"{each.place}: {each.key}: {each.message} {each.remedy}" for each in found if "bootstrap" in each.key
    ]


def test_all_of_it_from_a_file_and_back() -> None:
    settings = load_texts([("h.yaml", TEXT)])
    assert settings.bootstraps == (
        BootstrapSettings(
            name="talos",
            kind="fake",
            settings=(
                ("config_file", "/etc/worker.yaml"),
                ("endpoints", ("10.0.0.1", "10.0.0.2")),
                ("tries", "3"),
            ),
        ),
    )
    assert settings.pools[0].bootstrap == "talos"
    assert pool_from_plain(pool_to_plain(settings.pools[0])) == settings.pools[0]
    assert expanded(settings)["bootstraps"]["talos"] == {
        "kind": "fake",
        "config_file": "/etc/worker.yaml",
        "endpoints": ["10.0.0.1", "10.0.0.2"],
        "tries": "3",
    }
    assert doubts(TEXT) == []


def test_the_kind_reads_its_own_settings() -> None:
    (each,) = load_texts([("h.yaml", TEXT)]).bootstraps
    assert registry.open_bootstrap(each.kind, dict(each.settings), CONTEXT).fingerprint == "/etc/worker.yaml"
    with pytest.raises(registry.BadSettings, match="cannot be opened: there is no file absent"):
        registry.open_bootstrap("fake", {"config_file": "absent"}, CONTEXT)
    with pytest.raises(registry.UnknownBootstrap, match="Did you mean 'fake'"):
        registry.load("fak")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("tries: 3", "tries: many", "bootstraps.talos.tries: The value 'many' is not possible"),
        (
            "tries: 3",
            "trys: 3",
            "bootstraps.talos.trys: Bootstrap 'fake' has no setting 'trys'. Did you mean 'tries'",
        ),
        (
            "config_file: /etc/worker.yaml, ",
            "",
            "bootstraps.talos.kind: Bootstrap 'fake' needs the setting 'config_file'",
        ),
        (
            "kind: fake",
            "kind: fak",
            "bootstraps.talos.kind: There is no bootstrap 'fak'. Did you mean 'fake'",
        ),
        ("bootstrap: talos", "bootstrap: other", "Bootstrap 'other' is not defined under `bootstraps`"),
        (", bootstrap: talos", "", "bootstraps.talos: No pool uses bootstrap 'talos'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_remedy(old: str, new: str, words: str) -> None:
    found = doubts(TEXT.replace(old, new))
    assert any(words in each and each.startswith("h.yaml:") for each in found), found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("endpoints: [10.0.0.1, 10.0.0.2]", "endpoints: {a: b}", "Expected plain text or a list"),
        ("membership: nodes, cluster: prod, ", "", "bootstrap has no effect"),
    ],
)
def test_what_can_never_work_is_refused(old: str, new: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_texts([("h.yaml", TEXT.replace(old, new))])
