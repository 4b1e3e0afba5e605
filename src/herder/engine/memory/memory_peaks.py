"""How much memory jobs of one profile have used, for the requests of those that come after them. Part of `EngineState`.

A profile is a name that people give to jobs that do the same (`memory_profile`), and is of one user and project. Kept are the peaks of the latest
attempts that succeeded; after a start those that are among the latest of the store.
"""

from collections import deque
from dataclasses import dataclass, field

#: (user, project, name)
Profile = tuple[str, str, str]
#: Attempts of a profile that are remembered, and how many there must be before anything is said.
ATTEMPTS_MAX = 50
ATTEMPTS_MIN = 3
#: Above the largest peak, in percent; then up to the next of 8 steps between powers of two, so that there are few classes.
MARGIN_PERCENT = 20
STEPS = 8
LEAST_MIB = 16
#: The profile that was not used for longest is forgotten.
PROFILES_MAX = 10_000


@dataclass(slots=True)
class MemoryPeaks:
    _known: dict[Profile, deque[int]] = field(default_factory=dict)

    def add(self, profile: Profile, peak_mib: int) -> None:
        """0: not known, which says nothing."""
        if not peak_mib:
            return
        peaks = self._known.pop(profile, None) or deque(maxlen=ATTEMPTS_MAX)
        peaks.append(peak_mib)
        self._known[profile] = peaks
        if len(self._known) > PROFILES_MAX:
            del self._known[next(iter(self._known))]

    def of(self, profile: Profile) -> tuple[int, int]:
        """(attempts, the largest peak in MiB)"""
        peaks = self._known.get(profile, ())
        return len(peaks), max(peaks, default=0)

    def learned_mib(self, profile: Profile) -> int | None:
        """What a job requests; None: too little is known."""
        attempts, peak = self.of(profile)
        return rounded_up(peak * (100 + MARGIN_PERCENT) // 100) if attempts >= ATTEMPTS_MIN else None


def rounded_up(mib: int) -> int:
    """320 for 300, 1152 for 1100."""
    mib = max(mib, LEAST_MIB)
    step = max(1, (1 << (mib.bit_length() - 1)) // STEPS)
    return -(-mib // step) * step
