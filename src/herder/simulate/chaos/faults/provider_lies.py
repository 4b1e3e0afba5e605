"""What providers say that is not so: listings of minutes ago, machines that they deny to have, machines that they list and have not.

Drawn by `mishaps.py`. A lie ends by itself. Of one machine it lasts seconds, so that two looks half a minute apart are not both deceived.
"""

from herder.drivers.pretend.world import PretendWorld
from herder.simulate.chaos.world import World

#: As `mishaps.MISHAPS`.
LIES = {
    "listing stale": ("listing_stale", "_stale"),
    "listing late": ("listing_late", "_late"),
    "machine denied": ("machine_denied", "_deny_one"),
    "all denied": ("all_denied", "_deny_all"),
}
#: The same machine is denied again only after this long.
AGAIN_AFTER_S = 240.0
#: Between two lies of one provider that do not go together: longer than what a sweep remembers.
APART_S = 120.0


class ProviderLies:
    def __init__(self, world: World) -> None:
        self._world = world
        self._denied_at_s: dict[str, float] = {}
        """By machine."""
        self._lies_until_s: dict[str, float] = {}
        """By driver: the end of its last lie about many machines."""
        self._single_until_s: dict[str, float] = {}
        """About one of them."""

    def heal(self) -> None:
        for provider in self._world.providers.values():
            provider.concealed.clear()
            provider.gone_listed_s = 0.0

    # --- inside

    def _draw(self, least: float, most: float) -> float:
        return self._world.dice.of("lies").uniform(least, most)

    def _honest(self, *, singly: bool = False) -> list[str]:
        """Providers that tell the truth, and have for a while: two lies together nobody could see through. `singly`: they may deny
        single machines all the while."""
        now_s = self._world.loop.time()
        untils = (self._lies_until_s,) if singly else (self._lies_until_s, self._single_until_s)
        return [
            name
            for name in sorted(self._world.providers)
            if all(now_s > until_s.get(name, -APART_S) + APART_S for until_s in untils)
        ]

    def _one_of(self, names: list[str]) -> str | None:
        return self._world.dice.of("lies").choice(names) if names else None

    def _lies(self, name: str, seconds: float) -> PretendWorld:
        self._lies_until_s[name] = self._world.loop.time() + seconds
        return self._world.providers[name]

    def _stale(self) -> None:
        name, seconds = self._one_of(self._honest()), self._draw(300, 1800)
        if name is not None:
            provider, provider_lag_s = self._lies(name, seconds), self._draw(30, 300)
            provider.list_lag_s = provider_lag_s
            self._world.trace("lists what was", name, round(provider_lag_s))
            self._world.loop.call_later(seconds, lambda: setattr(provider, "list_lag_s", 0.0))

    def _late(self) -> None:
        provider = self._world.providers[self._world.dice.of("lies").choice(sorted(self._world.providers))]
        provider.gone_listed_s = self._draw(5, 50)
        self._world.loop.call_later(self._draw(300, 1800), lambda: setattr(provider, "gone_listed_s", 0.0))

    def _deny_one(self) -> None:
        now_s, honest = self._world.loop.time(), self._honest(singly=True)
        names = [
            (driver, each)
            for driver in honest
            for each in sorted(str(name) for _, name in self._world.providers[driver].machines)
            if now_s - self._denied_at_s.get(each, -AGAIN_AFTER_S) >= AGAIN_AFTER_S
        ]
        if names:
            driver, name = self._world.dice.of("lies").choice(names)
            self._denied_at_s[name] = now_s
            seconds = self._draw(1, 10)
            self._single_until_s[driver] = now_s + seconds
            self._deny(driver, [name], seconds)

    def _deny_all(self) -> None:
        driver, seconds = self._one_of(self._honest()), self._draw(300, 900)
        if driver is not None:
            provider = self._lies(driver, seconds)
            self._deny(driver, [str(name) for _, name in provider.machines], seconds)

    def _deny(self, driver: str, names: list[str], seconds: float) -> None:
        provider = self._world.providers[driver]
        self._world.trace("denied", driver, round(seconds), *names)
        provider.concealed.update(names)
        self._world.loop.call_later(seconds, provider.concealed.difference_update, names)
