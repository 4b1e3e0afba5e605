"""One finding of lint, before it is known where in the file it is. Made by the rules of `lint`."""

from dataclasses import dataclass

from herder.settings.syntax.problems import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    severity: Severity
    key: str
    message: str
    remedy: str


def error(key: str, message: str, remedy: str) -> Doubt:
    return Doubt(severity=Severity.ERROR, key=key, message=message, remedy=remedy)


def warning(key: str, message: str, remedy: str) -> Doubt:
    return Doubt(severity=Severity.WARNING, key=key, message=message, remedy=remedy)


def note(key: str, message: str, remedy: str) -> Doubt:
    return Doubt(severity=Severity.NOTE, key=key, message=message, remedy=remedy)
