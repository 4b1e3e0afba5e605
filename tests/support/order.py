"""In which order workers of pytest-xdist take files: those that take long first, or one of them runs alone at the end while cores wait.
Used by `tests/conftest.py`; a test may not rely on it.
"""

from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
#: Few tests, of 10 to 50 s. Of all others the number of their tests is a good measure.
LONG = (
    "simulation/test_chaos.py",
    "docs/test_share_a_fleet.py",
    "docs/test_remove_workers.py",
    "docs/test_give_access.py",
    "engine/test_any_order.py",
    "simulation/test_cluster.py",
    "docs/test_monthly_invoice.py",
    "docs/test_tutorial.py",
    "docs/test_ttl_and_maintenance.py",
    "docs/test_rates_and_usage.py",
    "simulation/test_times_to_live.py",
    "backup/test_restore_under_load.py",
    "api/test_zones_and_spot.py",
    "acceptance/test_two_servers.py",
    "engine/test_repair_any_order.py",
    "placement/test_ageing.py",
    "words/test_errors.py",
    "tidy/test_units.py",
    "tidy/test_tidy.py",
)


def long_files_first(items: list[pytest.Item]) -> None:
    """Files stay whole, and their tests in their order."""
    tests = Counter(item.path for item in items)
    rank = {TESTS / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: (rank.get(item.path, len(LONG)), -tests[item.path], item.path))
