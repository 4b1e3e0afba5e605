"""The driver that the page for authors shows keeps the contract, and a server finds it."""

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.page import DOCS


def test_the_driver_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "add-a-driver.md").read_text()
    driver, tests = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "folder_driver.py").write_text(driver)
    (tmp_path / "test_folder_driver.py").write_text(tests)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_folder_driver.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 17, done.stdout[-500:]


USE = """
from herder.drivers.registry import open_driver
from herder.model.fleet.driver import DriverContext
driver = open_driver("folder", {"folder": "cloud", "make_s": "2"}, DriverContext(name="disk"))
print(driver.name, len(driver.list()))
"""


def test_a_server_finds_it_by_its_entry_point(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "add-a-driver.md").read_text()
    (tmp_path / "folder_driver.py").write_text(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0])
    about = tmp_path / "folder_driver-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: folder-driver\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[herder.drivers]\nfolder = folder_driver\n")
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.stderr) == ("disk 0\n", "")


def test_the_page_names_every_error_and_capability() -> None:
    from herder.model.fleet import driver, driver_capabilities

    page = (DOCS / "how-to" / "add-a-driver.md").read_text()
    errors = [
        each.__name__
        for each in vars(driver).values()
        if isinstance(each, type) and issubclass(each, driver.DriverError)
    ]
    assert [
        each
        for each in errors
        if each not in ("DriverFault",) and f"`{each}" not in page and each not in page
    ] == []
    assert [each.__name__ for each in driver_capabilities._CAPABILITIES if each.__name__ not in page] == []
