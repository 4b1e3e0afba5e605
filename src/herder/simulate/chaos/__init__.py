"""A simulated world for the real server and the real agents: virtual time, and ports that fail on demand, all from one seed.

What runs in it is the code that runs for real: `Core` with its loops under `supervise`, the ASGI application, and the agents from
activation to farewell. Only the ports are of this world: event loop, clock, store, calls of drivers, network, and the runtime that
stands for the work. `herder simulate chaos` and tests use it; a server never does.
"""

from herder.simulate.chaos.faults.kinds import CALM, Fault, Trouble
from herder.simulate.chaos.small_fleet import POOLS
from herder.simulate.chaos.world import World

__all__ = ["CALM", "POOLS", "Fault", "Trouble", "World"]
