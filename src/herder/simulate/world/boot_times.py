"""The time of a worker from request to ready: constant or random. Written `120`, `60..180` or `120~0.3`.

Read from the command line and policy files; asked by the world once for each worker.
"""

import math
from dataclasses import dataclass

from herder.simulate.world.rng import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Between `low_s` and `high_s` evenly, or with `spread` log-normal around the median `low_s`."""

    low_s: float
    high_s: float
    spread: float = 0.0

    def draw(self, draws: Draws) -> float:
        if self.spread:
            return self.low_s * math.exp(self.spread * draws.normal())
        if self.high_s > self.low_s:
            return self.low_s + (self.high_s - self.low_s) * draws.unit()
        return self.low_s

    @property
    def least_s(self) -> float:
        """No draw is shorter."""
        return 0.0 if self.spread else self.low_s


def parse_boot(text: str) -> Boot:
    """Raises ValueError that says what is wrong and what would be right."""
    try:
        if "~" in text:
            median, spread = (float(part) for part in text.split("~"))
            boot = Boot(low_s=median, high_s=median, spread=spread)
        elif ".." in text:
            low, high = (float(part) for part in text.split(".."))
            boot = Boot(low_s=low, high_s=high)
        else:
            boot = Boot(low_s=float(text), high_s=float(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a boot time. {_FORMS}") from None
    if not (0 <= boot.low_s <= boot.high_s < math.inf and 0 <= boot.spread < math.inf):
        raise ValueError(f"{text!r} is not a boot time: it must be finite and not negative. {_FORMS}")
    return boot


_FORMS = "Write seconds (120), a range (60..180) or a median with a log-normal spread (120~0.3)."
