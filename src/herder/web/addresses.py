"""Numbers and names in addresses. Pure."""

from herder.control.kernel.bounds.errors import NotKnown

#: Ids are at most so large.
NUMBER_MAX = 2**53
#: Characters of a name.
NAME_MAX = 253


def number_of(text: str, what: str) -> int:
    """Raises NotKnown."""
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > NUMBER_MAX:
        raise NotKnown(f"{text[:20]!r} is not the number of a {what}.")
    return int(text)


def name_of(text: str, what: str) -> str:
    """Raises NotKnown."""
    if len(text) > NAME_MAX or not text.isprintable():
        raise NotKnown(f"{text[:20]!r} is not the name of a {what}.")
    return text
