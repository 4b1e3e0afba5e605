"""Resources of models: `tokens.KIND[.TIER][.above_NNNk]`. Pure.

The price of a request may depend on the size of its prompt: above a bound, all of its tokens cost another price. Which bounds a model has is a matter of its rates, which may
come later than the use; so a large request is booked under the largest bound that it exceeds, whatever its model, and `lookups` finds the rate that holds for it.
"""

import re
from functools import lru_cache

PREFIX = "tokens."
#: Thousands of tokens of a prompt above which there are prices of their own.
PROMPT_BOUNDS = (100, 128, 200, 256, 272, 512)
#: Ways in which a provider serves a request, each at its own prices.
TIERS = ("batches", "decisions", "flex", "priority", "ultrafast")
#: What providers call the ordinary one.
ORDINARY = ("", "auto", "default", "standard", "standard_only")
#: Other names of a tier.
ALIASES = {"batch": "batches"}
KIND = re.compile(r"[a-z][a-z0-9_]{0,40}")
RESOURCE = re.compile(
    rf"tokens\.(?P<kind>{KIND.pattern})(?:\.(?P<tier>{'|'.join(TIERS)}))?(?:\.above_(?P<above>{'|'.join(map(str, PROMPT_BOUNDS))})k)?"
)
#: Billed as the second where a model has no price for the first.
INSTEAD = {"reasoning": "output"}


def token_resource(kind: str, tier: str = "", above_k: int | None = None) -> str:
    return f"{PREFIX}{kind}{f'.{tier}' if tier else ''}{f'.above_{above_k}k' if above_k else ''}"


def above_of(prompt_tokens: int) -> int | None:
    """The largest bound, in thousands, that a prompt exceeds; None: none."""
    return max((each for each in PROMPT_BOUNDS if prompt_tokens > each * 1000), default=None)


def tier_of(text: str) -> str | None:
    """Empty: the ordinary one. None: there is no such tier."""
    name = text.strip().lower()
    name = ALIASES.get(name, name)
    if name in ORDINARY:
        return ""
    return name if name in TIERS else None


@lru_cache(maxsize=4096)
def lookups(resource: str) -> tuple[str, ...]:
    """The resources whose rate holds for this one, the first before the others."""
    found = RESOURCE.fullmatch(resource)
    if found is None:
        return (resource,)
    kind, tier, above = found["kind"], found["tier"] or "", int(found["above"] or 0)
    bounds = [each for each in reversed(PROMPT_BOUNDS) if each <= above]
    kinds = [kind, *([INSTEAD[kind]] if kind in INSTEAD else [])]
    return tuple(token_resource(each, tier, bound) for each in kinds for bound in (*bounds, None))
