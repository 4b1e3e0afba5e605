"""What is known of each intake: written by the loop `intakes`, read by the status. In memory only."""

from dataclasses import dataclass


@dataclass(slots=True)
class IntakeNotes:
    paused: str = ""
    """Why it takes nothing in now; empty: it works, or has not been tried yet."""
    paused_since_ms: int = 0
    waiting: int | None = None
    """Records that nobody has claimed, when it was last asked."""
