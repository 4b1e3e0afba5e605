"""Words beside numbers, for sentences that people read. Pure; used wherever a sentence counts something."""


def counted(count: int, noun: str) -> str:
    """`1 worker`, `2 workers`, `1,200 jobs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
