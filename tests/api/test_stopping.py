"""A server that is told to stop at the very moment at which something happens stops all the same."""

import asyncio

from herder.server.runtime import LOOPS
from herder.simulate.chaos import World


def test_a_scale_loop_that_is_cancelled_as_the_demand_changes_ends() -> None:
    async def story(world: World) -> None:
        loop = asyncio.ensure_future(LOOPS["scale"](world.core))
        await asyncio.sleep(0.5)  # it waits for its next round
        world.core.demand_changed.set()
        await asyncio.sleep(0)  # the waiter is awake, and what awaits it is not yet
        loop.cancel()
        done, _ = await asyncio.wait({loop}, timeout=10)
        loop.cancel()  # whatever becomes of this test, it ends
        assert done, "it runs on"
        assert loop.cancelled()

    World().run(story)
