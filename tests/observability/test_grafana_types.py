"""The dashboards have the form that Grafana's own types describe. `tests/support/prometheus` fetches the types from npm."""

import shutil
import subprocess
from pathlib import Path

import pytest

from herder.observability.dashboards import texts

TYPES = Path(__file__).parents[2] / ".cache" / "grafana"
_LACKING = (
    ""
    if shutil.which("node") and (TYPES / "node_modules" / "@grafana" / "schema" / "package.json").exists()
    else "no node, or no types of Grafana (bash tests/support/prometheus fetches them)"
)


def _checked(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / f"{name}.ts").write_text(
            f'import type {{ Dashboard }} from "@grafana/schema";\nexport const made = ({text}) satisfies Dashboard;\n'
        )
    done = subprocess.run(
        [
            "node",
            str(TYPES / "node_modules" / "typescript" / "bin" / "tsc"),
            *("--noEmit", "--skipLibCheck", "--strict", "--module", "nodenext"),
            *(f"{name}.ts" for name in files),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(bool(_LACKING), reason=_LACKING)
def test_grafana_knows_the_form(tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(TYPES / "node_modules")
    made = {name.removesuffix(".json"): text for name, text in texts().items()}
    assert _checked(tmp_path, made) == ""
    wrong = made["jobs"].replace('"schemaVersion": 39', '"schemaVersion": "39"')
    assert "not assignable" in _checked(tmp_path, {"wrong": wrong})
    assert "titel" in _checked(
        tmp_path, {"misspelt": made["jobs"].replace('"title": "Jobs"', '"titel": "Jobs"')}
    )
