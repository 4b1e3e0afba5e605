"""The example of the configuration page is a valid file without findings that matter."""

import re
from pathlib import Path

from herder.settings import Severity, lint, load_texts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def test_the_example_loads_and_has_no_faults() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    settings = load_texts([("herder.yaml", example)])
    assert [pool.name for pool in settings.pools] == ["steady", "rush"]
    assert [user.name for user in settings.users] == ["analytics", "research"]
    assert all(problem.severity is not Severity.ERROR for problem in lint(settings))
