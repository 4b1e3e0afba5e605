"""What is learned of the memory of jobs that do the same."""

from hypothesis import given
from hypothesis import strategies as st

from herder.engine.memory import memory_peaks
from herder.engine.memory.memory_peaks import LEAST_MIB, MARGIN_PERCENT, STEPS, MemoryPeaks, rounded_up

ALIGN = ("ann", "default", "align")


@given(st.integers(0, 2**24))
def test_amounts_are_rounded_up_by_little_and_to_few(mib: int) -> None:
    found = rounded_up(mib)
    assert found >= mib
    assert found <= max(LEAST_MIB, mib + mib // STEPS + 1)
    assert rounded_up(found) == found


@given(st.lists(st.integers(1, 2**20), min_size=3, max_size=80))
def test_it_is_above_the_latest_peaks(peaks: list[int]) -> None:
    known = MemoryPeaks()
    for peak in peaks:
        known.add(ALIGN, peak)
    learned, largest = known.learned_mib(ALIGN), max(peaks[-memory_peaks.ATTEMPTS_MAX :])
    assert learned is not None
    assert learned >= largest * (100 + MARGIN_PERCENT) // 100
    assert known.of(ALIGN)[1] == largest


def test_too_little_says_nothing() -> None:
    known = MemoryPeaks()
    for peak in (300, 0, 0, 200):
        known.add(ALIGN, peak)
    assert known.learned_mib(ALIGN) is None
    assert known.of(ALIGN) == (2, 300)
    assert known.learned_mib(("bob", "default", "align")) is None


def test_the_profile_that_was_used_longest_ago_is_forgotten() -> None:
    known = MemoryPeaks()
    for number in range(memory_peaks.PROFILES_MAX):
        known.add(("ann", "default", str(number)), 100)
    known.add(("ann", "default", "0"), 100)
    known.add(ALIGN, 100)
    assert known.of(("ann", "default", "1")) == (0, 0)
    assert known.of(("ann", "default", "0")) == (2, 100)
