"""Every herder.yaml and every file of jobs in the documentation can be read, and built-in drivers have the settings that it gives them."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from herder.cli.input.job_files import read_jobs
from herder.drivers.registry import driver_kinds, load, read_settings
from herder.settings import load_texts
from tests.docs.page import DOCS

EXAMPLES = [
    pytest.param(page, number, text, id=f"{page.relative_to(DOCS)}-{number}")
    for page in sorted([*DOCS.glob("*.md"), *DOCS.glob("how-to/*.md")])
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize(("page", "number", "text"), EXAMPLES)
def test_an_example_can_be_read(page: Path, number: int, text: str, tmp_path: Path) -> None:
    if re.search(r"^jobs:", text, re.MULTILINE):
        for name in re.findall(r"[a-z]+\.(?:sh|py)", text):
            (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / "jobs.yaml").write_text(text)
        assert read_jobs(str(tmp_path / "jobs.yaml")).jobs
        return
    if re.search(r"^apiVersion:", text, re.MULTILINE):
        assert all(each["kind"] and each["metadata"]["name"] for each in YAML(typ="safe").load_all(text))
        return
    for driver in load_texts([(f"{page.name}, example {number}", text)]).drivers:
        if driver.kind in driver_kinds():  # one page writes its own
            read_settings(driver.kind, load(driver.kind).settings_type, dict(driver.settings))
