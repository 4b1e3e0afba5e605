"""Parts of an output: its last lines, the lines with a text. Pure; used for reads of output and for those who follow it."""


def last_lines(text: str, most: int) -> str:
    """A last line without an end counts, too."""
    if most <= 0:
        return ""
    at = len(text) - 1 if text.endswith("\n") else len(text)
    for _ in range(most):
        at = text.rfind("\n", 0, at)
        if at < 0:
            return text
    return text[at + 1 :]


def lines_with(text: str, search: str) -> str:
    """The lines that contain the text; capitals do not matter, as in searches of jobs."""
    wanted = search.casefold()
    return "".join(line + "\n" for line in text.split("\n") if wanted in line.casefold())
