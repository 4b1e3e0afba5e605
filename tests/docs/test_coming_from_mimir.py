"""The tables of the page are compared with the manifest of Mimir, with the Job that the driver makes, and with the server's metrics."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.drivers.kubernetes_jobs.manifest import job_of
from herder.drivers.kubernetes_jobs.settings import KubernetesJobsSettings
from herder.model.values.resources import Resources
from herder.observability.metrics import FAMILIES
from tests.docs.page import DOCS
from tests.drivers.kubernetes_jobs.lab import SETTINGS, spec, start

PAGE = (DOCS / "how-to" / "coming-from-mimir.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]
FIELDS = {row[0].strip("`"): row[1:] for row in ROWS if row[0].startswith("`spec.")}
MIMIR = YAML(typ="safe").load((Path(__file__).parent / "manifests" / "mimir-worker-job.yaml").read_text())


def field(manifest: Any, path: str) -> str:
    found = manifest
    for part in path.split("."):
        if isinstance(found, list):
            found = found[int(part)]
        else:
            found = found.get(part, "–")
    return str(found)


@pytest.mark.parametrize("path", FIELDS)
def test_the_fields_of_both_manifests(path: str) -> None:
    ours = job_of(SETTINGS, "here", spec(allocatable=Resources(2000, 4096)), start())
    assert (field(MIMIR, path), field(ours, path)) == tuple(FIELDS[path][:2])


def test_the_settings_of_the_page_exist() -> None:
    named = {code for row in FIELDS.values() for code in re.findall(r"`([a-z_]+)`", row[2])}
    assert named - {"cpu", "memory"} <= {each.name for each in fields(KubernetesJobsSettings)}
    assert len(named) >= 6


def test_the_metrics_of_the_page_exist() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(("| `worker_", "| `job_"))]
    names = {name for row in rows for name in re.findall(r"`((?:herder|worker|job)_[a-z_]+)", row)}
    assert len(names) >= 7
    assert names - FAMILIES.keys() == set()


def test_each_row_has_an_answer() -> None:
    for row in ROWS:
        if row[0].strip("`") not in FIELDS:
            assert re.match(r"`herder |`herder_|`worker_|`job_|\[Worker|planned: \w|none: \w", row[1]), row
    assert all(shlex.split(code) for code in re.findall(r"`(herder [^`]+)`", PAGE))
