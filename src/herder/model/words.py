"""Words beside numbers, for sentences that people read. Pure; used wherever a sentence counts something."""


def counted(count: int, noun: str) -> str:
    """`1 worker`, `2 batches`, `1,200 jobs`."""
    plural = noun + ("es" if noun.endswith(("ch", "s")) else "s")
    return f"{count:,} {noun if count == 1 else plural}"
