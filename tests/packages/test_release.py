"""What goes with a release: the list of contents, and signed checksums as docs/how-to/release.md makes and checks them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packages.conftest import ROOT

LOCK = ROOT / "requirements" / "image.lock"
NAMED = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)


@pytest.mark.slow
def test_the_list_of_contents_has_each_package_with_its_hashes(tmp_path: Path) -> None:
    program, made = Path(sys.executable).with_name("cyclonedx-py"), tmp_path / "herder.cdx.json"
    words = ["requirements", str(LOCK), "--output-reproducible", "--output-file", str(made)]
    subprocess.run([str(program), *words], check=True, capture_output=True)
    found = json.loads(made.read_text())
    assert found["bomFormat"] == "CycloneDX"
    components = {(each["name"], each["version"]) for each in found["components"]}
    assert components == set(NAMED.findall(LOCK.read_text()))
    assert all("sha256" in json.dumps(each).lower().replace("-", "") for each in found["components"])


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = dict(NAMED.findall((ROOT / "requirements" / "dev.lock").read_text()))
    shipped = dict(NAMED.findall(LOCK.read_text()))
    assert len(shipped) > 30
    assert {name: tested.get(name) for name in shipped} == shipped


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    def keygen(*words: str, given: str = "") -> int:
        run = ["ssh-keygen", *words]
        return subprocess.run(
            run, cwd=tmp_path, input=given, text=True, capture_output=True, check=False
        ).returncode

    name, sums = "herder-release", tmp_path / "SHA256SUMS"
    assert keygen("-q", "-t", "ed25519", "-N", "", "-f", "key") == 0
    sums.write_text("0" * 64 + "  herder.whl\n")
    assert keygen("-Y", "sign", "-f", "key", "-n", name, "SHA256SUMS") == 0
    public = (tmp_path / "key.pub").read_text()
    (tmp_path / "allowed_signers").write_text(f'release@herder.example namespaces="{name}" {public}')
    check = ["-Y", "verify", "-f", "allowed_signers", "-I", "release@herder.example", "-n", name]
    check += ["-s", "SHA256SUMS.sig"]
    page = (ROOT / "docs/how-to/release.md").read_text()
    assert f"ssh-keygen {' '.join(check)} < SHA256SUMS" in page
    assert keygen(*check, given=sums.read_text()) == 0
    assert keygen(*check, given=sums.read_text().replace("0", "1", 1)) != 0
