"""What stateful fakes of HTTP APIs share: requests and answers as data, an address on this machine or none, time that is given, faults that a
test asks for, and the check of requests and answers against the provider's own description.

A fake is an object with `request(request, now_ms) -> Answer` and no thread, socket or clock of its own. `serving` gives it an address on real
time, `transport` connects an httpx client to it on any time.
"""

from herder.testing.fakes.faults import Faults, Rule
from herder.testing.fakes.messages import Answer, Fake, Request
from herder.testing.fakes.serving import Serving, serving
from herder.testing.fakes.timeline import Timeline
from herder.testing.fakes.transport import InProcessTransport

__all__ = [
    "Answer",
    "Fake",
    "Faults",
    "InProcessTransport",
    "Request",
    "Rule",
    "Serving",
    "Timeline",
    "serving",
]
