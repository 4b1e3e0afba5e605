"""A simulated world for the real server and the real agents: virtual time, and ports that fail on demand, all from one seed.

`World` is what tests use. What runs in it is the code that runs for real: `Core` with its loops under `supervise`, the ASGI
application, and the agents from activation to farewell. Only the ports are of this world: event loop, clock, store, calls of
drivers, network, and the runtime that stands for the work.
"""

from tests.simulation.world.plan import CALM, POOLS, Fault, Trouble
from tests.simulation.world.storm import simulate
from tests.simulation.world.world import World

__all__ = ["CALM", "POOLS", "Fault", "Trouble", "World", "simulate"]
