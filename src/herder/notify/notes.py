"""What a person reads of one alert, before it has the form of a channel. Data only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    title: str
    """critical: budget of division monitoring"""
    level: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    advice: tuple[str, ...] = ()
    remedy: str = ""
    """What the reader can do, with the command."""
    at_s: int
    """When it was raised, in seconds since the epoch."""
    id: str
    occasion: str = "raised"
    """Why it is sent: what is sent again for another reason is another message."""
