"""What is wrong with a file of rows, collected over the whole file and told in one go. Used by the readers of files in this folder."""

from pathlib import Path

from herder.cli.shell.exit_codes import Code, CommandError
from herder.model.values.phrases import sentence
from herder.settings.syntax.files import STDIN, Unreadable
from herder.settings.syntax.problems import Place

#: Faults that are shown at a time.
FAULTS_MAX = 10


class FileFaults:
    """`hint`: what was not done because of them, and where the form of the file is described."""

    def __init__(self, path: Path, hint: str) -> None:
        self.name = "stdin" if str(path) == STDIN else str(path)
        self.lines: list[str] = []
        self._hint = hint

    def add(self, line: int, column: int, message: str, remedy: str) -> None:
        self.lines.append(f"{self.name}:{line}:{column}: {sentence(message)} {sentence(remedy)}")

    def found(self, error: Unreadable) -> None:
        self.add(error.line, error.column, error.message, error.remedy)

    def at(self, place: Place, message: str, remedy: str) -> None:
        self.add(place.line, place.column, message, remedy)

    def check(self) -> None:
        """Raises CommandError when there is any."""
        if self.lines:
            shown = self.lines[:FAULTS_MAX]
            more = len(self.lines) - len(shown)
            raise CommandError(
                "\n".join(shown) + (f"\n… and {more} more" if more else ""), hint=self._hint, code=Code.USAGE
            )


def unopened(name: str, error: Exception) -> CommandError:
    reason = getattr(error, "strerror", None) or f"it is damaged ({error})"
    return CommandError(f"{name} cannot be read: {reason}.", hint="Give the path of a file.", code=Code.USAGE)
