"""A simulated world for the real server and the real agents: virtual time, and ports that fail on demand, all from one seed.

It runs the production code: `Core` with its loops under `supervise`, the ASGI application, and the agents from activation to exit. Only
the ports are simulated: event loop, clock, store, driver calls, network, and the runtime that executes jobs. Used by
`herder simulate chaos` and by tests, never by a server.
"""

from herder.simulate.chaos.faults.kinds import CALM, Fault, Trouble
from herder.simulate.chaos.small_fleet import POOLS
from herder.simulate.chaos.world import World

__all__ = ["CALM", "POOLS", "Fault", "Trouble", "World"]
