"""Which lines a report is of: those of use on its days, or those that are booked in its months, as invoices are."""

from enum import StrEnum


class Basis(StrEnum):
    USE = "use"
    """By day of use: what its days cost as it is known now, corrections included, in whatever month they are booked."""
    BOOKED = "booked"
    """By month of booking: what the invoices of its months have. Corrections of earlier months are rows of their own."""

    @property
    def heading(self) -> str:
        return "by day of use" if self is Basis.USE else "by month of booking"

    @property
    def note(self) -> str:
        return (
            "By day of use: what these days cost, with what became known later. Invoices go by month of booking; --booked has their sums."
            if self is Basis.USE
            else "By month of booking, as invoices are: corrections of earlier months are rows of their own."
        )
