"""`herder observability export`: what it writes, and what it refuses without a change."""

from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run

WORDS = ["observability", "export"]


def test_export_writes_and_replaces_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "monitoring"
    assert run(whole_app(), [*WORDS, str(folder)]) == 0
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 9
    assert run(whole_app(), [*WORDS, str(folder), "-q"]) == 0
    assert "no, it is the same" in capsys.readouterr().out
    assert run(whole_app(), [*WORDS, str(folder), "--target", "other:1"]) == 2
    assert "other versions of prometheus/prometheus.yml; nothing was changed." in capsys.readouterr().err
    assert before == {path: path.read_text() for path in before}
    assert run(whole_app(), [*WORDS, str(folder), "--target", "other:1", "--force"]) == 0
    assert "other:1" in (folder / "prometheus" / "prometheus.yml").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", "herder"], "is not HOST:PORT"),
        (["--target", "herder:70000"], "is not HOST:PORT"),
        (["--namespace", "No_Space"], "is not the name of a Kubernetes namespace"),
        (["--runbooks-url", "a b"], "must be an address without spaces"),
    ],
)
def test_bad_options_write_nothing(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(whole_app(), [*WORDS, str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert run(whole_app(), [*WORDS, str(tmp_path / "out")]) == 2
    assert "error:" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"
