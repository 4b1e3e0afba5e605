"""What one agent needs from outside: clock, randomness, network, runtimes. Created by `main`, or by a simulated world.

Waiting is not here: it belongs to the event loop.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from herder.agent.environment.clock import CLOCK, ENTROPY, Chance
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.facts import MachineFacts, facts_of_machine
from herder.agent.machine.health import Health
from herder.agent.machine.notice_sources import Told
from herder.agent.machine.usage import UseMeter
from herder.agent.runtimes import Report, Runtime, open_runtime
from herder.ports.clock import Clock
from herder.ports.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPorts:
    network: Network
    clock: Clock = CLOCK
    chance: Chance = ENTROPY
    open_runtime: Callable[[str, AgentSettings, Report], Runtime] = open_runtime
    """Raises LookupError (no such runtime) or OSError (this machine lacks what it needs)."""
    open_health: Callable[[AgentSettings], Health | None] = Health
    """What looks whether attempts can be started on this machine; None: no check."""
    facts: Callable[[Path], MachineFacts] = facts_of_machine
    """What the machine is; asked once, before activation. Raises OSError."""
    notices: Callable[[AgentSettings, Told], Awaitable[None]] | None = None
    """Runs as long as the agent, and tells how long the machine has left; None: nobody says."""
    open_meter: Callable[[Callable[[], float]], UseMeter] = UseMeter
    """What measures the use of this worker's processes, on a clock in seconds."""
