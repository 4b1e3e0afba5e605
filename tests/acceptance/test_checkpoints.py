"""A job whose worker is killed goes on, on another one, where it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import CONFIG, Installation

SHARED = """
drivers:
  local:
    settings:
      url_folders: {folder}/shared
"""
STEPS = """
cd "$HERDER_CHECKPOINT_DIR"
echo "attempt $HERDER_ATTEMPT" >> steps
if [ $(wc -l < steps) = 1 ]; then sleep 600; fi
cat steps
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, None)
    (tmp_path / "shared").mkdir()
    made.config.write_text(CONFIG + SHARED.format(folder=tmp_path))
    made.start()
    yield made
    made.close()


def test_the_next_attempt_goes_on_where_a_killed_worker_was(place: Installation) -> None:
    shared = place.folder / "shared"
    place.run("job", "submit", "--checkpoint", f"file://{shared}/", "--", "sh", "-c", STEPS)
    place.until(lambda: bool(list(shared.glob("job-1-*/files/steps"))), 40, "the first step")
    (agent,) = place.main_agents()
    agent.kill()
    place.run("job", "wait", "1", limit_s=60)
    view = json.loads(place.run("job", "get", "1", "-o", "json"))
    assert [each["state"] for each in view["history"]] == ["lost", "succeeded"]
    assert place.run("job", "logs", "1").splitlines() == ["attempt 1", "attempt 2"]
    place.until(lambda: not list(shared.iterdir()), 10, "the folder to go")


def test_a_folder_that_no_worker_can_share_is_refused(place: Installation) -> None:
    for url in ("s3://bucket/x/", "file:///shared", "/shared/"):
        said = place.run("job", "submit", "--checkpoint", url, "--", "true", code=2)
        assert said == ""
