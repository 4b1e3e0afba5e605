"""The cluster of these tests: ours, in virtual time, or the real one that `HERDER_TEST_KUBECONFIG` names. The report says which."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.kubernetes.clusters import Asked, Remote, Virtual

KUBECONFIG = os.environ.get("HERDER_TEST_KUBECONFIG", "")
_NUMBERS = count(1)
SAID = (
    f"KUBERNETES: the tests ask the REAL cluster of {KUBECONFIG}; those that need faults or virtual time are skipped"
    if KUBECONFIG
    else "KUBERNETES: the tests ask OUR OWN server (herder.testing.kubernetes); name a real one with HERDER_TEST_KUBECONFIG"
)


def pytest_report_header() -> str:
    return SAID


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if any("tests/kubernetes" in str(each.nodeid) for each in terminalreporter.stats.get("passed", ())):
        terminalreporter.write_line(SAID)


@pytest.fixture(scope="session")
def remote() -> Iterator[Remote | None]:
    found = Remote(Path(KUBECONFIG)) if KUBECONFIG else None
    yield found
    if found is not None:
        found.close()


@pytest.fixture
def virtual() -> Iterator[Virtual]:
    """Ours only: with faults, played kubelets and a time that jumps."""
    if KUBECONFIG:
        pytest.skip("needs faults or virtual time, which a real cluster has not")
    found = Virtual()
    yield found
    found.cluster.close()


@pytest.fixture
def cluster(remote: Remote | None) -> Iterator[Asked]:
    """Either."""
    if remote is not None:
        yield remote
        return
    found = Virtual()
    yield found
    found.cluster.close()


@pytest.fixture
def namespace(cluster: Asked) -> Iterator[str]:
    """A new one, deleted after the test."""
    name = f"herder-test-{os.getpid()}-{next(_NUMBERS)}"
    assert cluster.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    yield name
    cluster.send("DELETE", f"/api/v1/namespaces/{name}")
