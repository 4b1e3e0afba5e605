"""The example of the page on declared resources is a valid file, and says what the page says of it."""

import re
from pathlib import Path

from herder.settings import Severity, load_texts
from herder.settings.lint import lint

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "declare-resources.md"


def test_the_example_loads() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    settings = load_texts([("herder.yaml", example)])
    assert all(problem.severity is not Severity.ERROR for problem in lint(settings))
    (pool,) = settings.pools
    assert pool.templates[0].allocatable.declared() == {
        "licence/abaqus": 2,
        "ephemeral-storage": 100 * 1024,
    }
    assert pool.scale_up.headroom.free.declared() == {"licence/abaqus": 1}
    assert settings.sharing.sharing.projects[0].nominal.named()["licence/abaqus"] == 5
    assert {each.name: each.cap for each in settings.resources.declared}["pods"]
