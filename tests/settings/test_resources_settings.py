"""The section `resources:` of herder.yaml: what is declared, where it is named, and that all of it comes back."""

import json

import pytest

from herder.model.values.resources import Dimensions, Unit, declare
from herder.settings import (
    SettingsError,
    expanded,
    load_texts,
    pool_from_plain,
    pool_to_plain,
    resources_from_plain,
    resources_to_plain,
)

TEXT = """
resources:
  licence/abaqus: {unit: count}
  ephemeral-storage: {unit: mib, quota: false}
  nvidia.com/mig-1g.5gb:
  pods:
drivers:
  local: {machine: {cpu: 8, memory: 16Gi, licence/abaqus: 3}}
templates:
  cae: {cpu: 8, memory: 32Gi, price_per_hour: 1, resources: {licence/abaqus: 2, ephemeral-storage: 10Gi}}
pools:
  std:
    templates: [cae, small]
    headroom: {cpu: 1, licence/abaqus: 1}
projects:
  research: {nominal_quota: {cpu: 100, licence/abaqus: 5}}
users:
  ann: {quota: {nvidia.com/mig-1g.5gb: 4}}
"""


def problems(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", text)])
    return str(caught.value)


def test_everything_that_is_declared_is_read_where_it_is_named() -> None:
    settings = load_texts([("herder.yaml", TEXT)])
    abaqus, storage, mig, pods = settings.resources.declared
    assert (abaqus.unit, abaqus.quota, abaqus.cap) == (Unit.COUNT, True, False)
    assert (storage.unit, storage.quota) == (Unit.MIB, False)
    assert mig.unit is Unit.COUNT
    assert (pods.cap, pods.quota) == (True, False)
    (pool,) = settings.pools
    cae, small = pool.templates
    assert cae.allocatable.declared() == {"licence/abaqus": 2, "ephemeral-storage": 10 * 1024}
    assert small.allocatable.declared() == {}
    assert len(small.allocatable) == len(settings.resources.names)
    assert pool.scale_up.headroom.free.declared() == {"licence/abaqus": 1}
    sharing = settings.sharing.sharing
    assert sharing.projects[0].nominal.named() == {"cpu_milli": 100_000, "licence/abaqus": 5}
    assert sharing.users[0].limits.named() == {"nvidia.com/mig-1g.5gb": 4}
    machine = settings.drivers[0].machine
    assert machine is not None
    assert machine.declared() == {"licence/abaqus": 3}


def test_it_comes_back_from_its_expanded_form() -> None:
    settings = load_texts([("herder.yaml", TEXT)])
    again = load_texts([("b.yaml", json.dumps(expanded(settings)))])
    assert again.resources == settings.resources
    assert again.pools == settings.pools
    assert again.sharing == settings.sharing
    assert again.drivers == settings.drivers
    (pool,) = settings.pools
    assert pool_from_plain(json.loads(json.dumps(pool_to_plain(pool))), "test", settings.resources) == pool
    assert resources_from_plain(resources_to_plain(settings.resources)) == settings.resources


def test_a_server_that_declares_nothing_stores_what_it_always_did() -> None:
    (pool,) = load_texts([("herder.yaml", "pools: {std: {templates: [small]}}")]).pools
    assert pool_to_plain(pool)["templates"][0]["resources"] == {}
    assert load_texts([]).resources == Dimensions()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resources: {cpu: {unit: count}}", "cpu is built in"),
        ("resources: {Licence: {}}", "cannot be a resource's name"),
        ("resources: {licence/abaqus: {unit: litres}}", "litres"),
        ("resources: {licence/abaqus: {size: 1}}", "There is no such setting."),
        ("resources: {" + ", ".join(f"r{n}: {{}}" for n in range(17)) + "}", "More than 16 resources"),
        (
            "templates: {t: {cpu: 1, memory: 1Gi, price_per_hour: 1, resources: {licence/abaqus: 1}}}",
            "There is no resource 'licence/abaqus'",
        ),
        (
            "resources: {licence/abaqus: {}}\n"
            "templates: {t: {cpu: 1, memory: 1Gi, price_per_hour: 1, resources: {licence/abaqu: 1}}}",
            "licence/abaqus",
        ),
        (
            "resources: {licence/abaqus: {quota: false}}\nusers: {ann: {quota: {licence/abaqus: 1}}}",
            "There is no such setting.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_a_remedy(text: str, said: str) -> None:
    assert said in problems(text)


def test_one_named_pods_is_known_without_further_words() -> None:
    assert declare("pods").cap
    assert not declare("licence/abaqus").cap
