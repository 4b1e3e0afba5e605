"""What a provider says of its resources, read as the structures of a driver. Pure."""

from typing import Any, TypeVar

import msgspec

from herder.model.fleet.driver import Unavailable

_T = TypeVar("_T")


def read_as(kind: type[_T], found: Any, provider: str) -> _T:
    """Some services write what is not there as null. Raises Unavailable for another form, which proves nothing."""
    try:
        return msgspec.convert(present(found), kind)
    except msgspec.ValidationError as error:
        raise Unavailable(
            f"{provider} describes a resource in a form that Herder does not know: {error}."
        ) from None


def present(found: Any) -> Any:
    """Without what is null."""
    if isinstance(found, dict):
        return {name: present(value) for name, value in found.items() if value is not None}
    return [present(each) for each in found] if isinstance(found, list) else found
