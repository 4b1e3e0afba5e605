"""Repairs: conditions of workers, the ladder, the breaker, upgrades in place."""
