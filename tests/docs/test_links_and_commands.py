"""Links of the documentation lead somewhere, and every `herder …` in it is a command with options that exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from herder.app import whole_app
from tests.docs.page import DOCS

ROOT = DOCS.parent
#: Decisions are history: their links are checked, their commands are not.
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "reference"),
]
APP = get_command(whole_app())
_CODE = re.compile(r"```(?!python|toml|yaml)[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_HERDER = re.compile(r"(?<![\w./=-])herder ((?:\\\n|[^|;&)`\n])+)")


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _anchors(page: Path) -> set[str]:
    heads = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def _commands(text: str) -> Iterator[list[str]]:
    for block, inline in _CODE.findall(re.sub(r"kubectl [^|;\n`]*", "kubectl", text)):
        for line in _HERDER.findall((block or inline).replace('"$(herder', "; herder")):
            yield line.replace("\\\n", " ").partition("#")[0].partition(" -- ")[0].split()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent.name != "decisions" and page.name != "style.md"], ids=_id
)
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in _commands(page.read_text()):
        command: Any = APP
        known = _options(command)
        taken = False
        for word in (each.strip("'\",.") for each in words):
            if word.startswith("--") and len(word) > 2:
                assert word.partition("=")[0] in known, (words, word)
                taken = word in _values(command)
            elif taken:
                taken = False
            elif hasattr(command, "commands") and word in command.commands:
                command = command.commands[word]
                known |= _options(command)
            elif command is APP and re.fullmatch(r"[a-z]+", word):
                raise AssertionError((words, f"there is no command {word}"))


def _options(command: Any) -> set[str]:
    return {name for param in command.params for name in param.opts} | {"--help"}


def _values(command: Any) -> set[str]:
    return {name for param in command.params for name in param.opts if not getattr(param, "is_flag", False)}
