"""A value of settings that Herder could not know and a person has to write: a text such as `<fill in: module.cluster.id>`. Written by imports; pure.

The reader of settings refuses a file that has one (`settings.syntax.unfilled`).
"""

BEGIN, END = "<fill in: ", ">"
#: Of what is said in it.
LENGTH_MAX = 200


def unfilled(what: str) -> str:
    """`what`: what another file has there, or what is to be written."""
    text = " ".join(what.split())
    return f"{BEGIN}{text if len(text) <= LENGTH_MAX else text[: LENGTH_MAX - 1] + '…'}{END}"


def is_unfilled(value: object) -> bool:
    return isinstance(value, str) and value.startswith(BEGIN) and value.endswith(END)
