"""Tables of pages that give commands of Herder for those of another system. Numbers in them stand for jobs and batches that are created here,
as the pages say."""

import io
import os
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from tests.acceptance.conftest import Installation

CONFIG = """
templates:
  small: {cpu: 2, memory: 512Mi, price_per_hour: "0.01"}
pools:
  std: {driver: local, templates: [small], min_workers: 1, max_workers: 1}
  late: {driver: local, templates: [small], max_workers: 1, default_eligible: false}
"""
APP = whole_app()
SCRIPT = "#!/bin/sh\nenv | grep '^HERDER_' | sort\n"


def rows(page: str) -> list[list[str]]:
    """Cells of the rows whose first cell is code."""
    return [
        [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split(" | ")]
        for line in page.splitlines()
        if line.startswith("| `")
    ]


def commands(page: str) -> list[str]:
    found = [row[1].strip("`") for row in rows(page) if row[1].startswith("`herder ")]
    return list(dict.fromkeys(found))


class Place(Installation):
    """`std` runs jobs; `late` is frozen, so that its jobs wait."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, None)
        self.config.write_text(CONFIG)
        (folder / "job.sh").write_text(SCRIPT)
        (folder / "job.sh").chmod(0o755)
        (folder / "commands.txt").write_text("echo one\necho two\n")
        (folder / "jobs.yaml").write_text(
            "jobs:\n  - {name: a, command: [echo, a]}\n  - {name: b, parents: [a], command: [echo, b]}\n"
        )
        self.start()
        self.command("pool", "freeze", "late")
        self.until(
            lambda: bool(self.command("worker", "list", "--state", "ready", "-o", "name")), 60, "a worker"
        )

    def command(self, *words: str) -> str:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
            for name in [name for name in os.environ if name.startswith("HERDER_")]:
                patch.delenv(name)
            for name in ("HERDER_DATA_DIR", "XDG_CONFIG_HOME"):
                patch.setenv(name, self.env[name])
            patch.chdir(self.folder)
            code = run(APP, list(words))
        assert code == 0, (words, out.getvalue())
        return out.getvalue()

    def batch(self, *more: str) -> str:
        return self.command("batch", "submit", "--lines", "commands.txt", *more, "-o", "name").strip()

    def ended_batch(self) -> str:
        number = self.batch()
        self.command("batch", "wait", number)
        return number

    def stands_for(self, word: str) -> str:
        """A number of the page, or the name of the worker, as it is here."""
        match word:
            case "17":
                waiting = self.command("job", "submit", "--pool", "late", "-o", "name", "--", "true")
                return waiting.strip()
            case "18":
                return self.command(
                    "job", "list", "--batch", self.ended_batch(), "--limit", "1", "-o", "name"
                ).strip()
            case "3":
                return self.batch("--default", "pool=late")
            case "4":
                return self.ended_batch()
            case "5":
                return self.batch("--default", "pool=late", "--keep-open")
            case "std-7-1":
                return self.command("worker", "list", "--state", "ready", "-o", "name").split()[0]
            case _:
                return word

    def run_row(self, command: str, more: tuple[str, ...] = ()) -> None:
        words = shlex.split(command)[1:]
        cut = words.index("--") if "--" in words else len(words)
        self.command(*(self.stands_for(word) for word in words[:cut]), *more, *words[cut:])
