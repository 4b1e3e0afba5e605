"""Warnings about rate cards of projects: a card that nobody has meant leaves all use of its project without a price. Called by `lint`."""

from collections.abc import Iterator
from difflib import get_close_matches

from herder.ledger.built_in_cards import CARDS
from herder.settings.doubts import Doubt, warning
from herder.settings.load import Settings


def card_findings(settings: Settings) -> Iterator[Doubt]:
    """Cards of one's own have rates in the server, which is not asked here: only those that look like a built-in one are doubted."""
    for project in settings.sharing.sharing.projects:
        card = project.rate_card
        near = [] if card in CARDS else get_close_matches(card, CARDS, n=1, cutoff=0.75)
        if near:
            yield warning(
                f"projects.{project.name}.rate_card",
                f"Rate card {card!r} is not a built-in one; without rates of its own the use of project {project.name} has no price.",
                f"Did you mean {near[0]!r}?",
            )
