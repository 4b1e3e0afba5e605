"""What a template takes from the built-in one of its name is told where it is easily overlooked, and a free one is no doubt."""

from herder.model.values.resources import Resources
from herder.settings import load_texts
from herder.settings.lint import lint


def doubts(text: str, machine: Resources | None = None) -> list[str]:
    return [str(each) for each in lint(load_texts([("h.yaml", text)]), machine)]


POOLS = "pools: {a: {driver: local, templates: [large], max_workers: 1}}\n"


def test_a_template_named_like_a_built_in_one_says_what_it_takes_from_it() -> None:
    (told,) = [
        each for each in doubts("templates: {large: {cpu: 1, memory: 512Mi}}\n" + POOLS) if "built-in" in each
    ]
    assert "h.yaml:1:" in told
    assert "disk 480Gi, price_per_hour 0.48, slots 110" in told


def test_a_changed_price_and_a_whole_template_are_no_doubt() -> None:
    whole = 'templates: {large: {cpu: 1, memory: 1Gi, disk: 0, gpu: 0, price_per_hour: "0", slots: 5}}\n'
    for text in ('templates: {large: {price_per_hour: "0.3"}}\n', whole, whole.replace("large", "other")):
        assert not [
            each
            for each in doubts(text + POOLS.replace("large", "large" if "large" in text else "other"))
            if "built-in" in each
        ]
        assert not [
            each
            for each in doubts(
                text + POOLS.replace("local", "gcp").replace("large", "large" if "large" in text else "other")
            )
            if "price" in each
        ]


def test_a_template_larger_than_this_machine_is_found() -> None:
    small = Resources(2000, 4096, 10_000)
    assert [each for each in doubts(POOLS, small) if "larger than this machine" in each]
    named = "drivers: {local: {machine: {cpu: 64, memory: 256Gi, disk: 4Ti}}}\n"
    assert not [each for each in doubts(named + POOLS, small) if "larger than this machine" in each]
