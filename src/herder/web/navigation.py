"""The places of the dashboard in the order of the navigation: name, address, words, and the key after `g` that goes there."""

from typing import NamedTuple


class Place(NamedTuple):
    name: str
    address: str
    words: str
    key: str


PLACES = (
    Place("dashboard", "/", "Dashboard", "o"),
    Place("pools", "/pools", "Pools", "p"),
    Place("workers", "/workers", "Workers", "w"),
    Place("batches", "/batches", "Batches", "b"),
    Place("jobs", "/jobs", "Jobs", "j"),
    Place("plans", "/plans", "Plans", "d"),
    Place("offers", "/offers", "Offers", "f"),
    Place("costs", "/costs", "Costs", "c"),
    Place("budgets", "/budgets", "Budgets", "m"),
    Place("alerts", "/alerts", "Alerts", "a"),
    Place("events", "/events", "Events", "e"),
    Place("users", "/users", "Users", "u"),
    Place("settings", "/settings", "Settings", "s"),
)
