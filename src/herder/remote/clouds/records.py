"""What a provider says of its resources, read as the structures of a driver. Pure."""

from typing import Any, TypeVar

import msgspec

from herder.model.fleet.driver import Unavailable

_T = TypeVar("_T")


def read_as(kind: type[_T], found: Any, provider: str) -> _T:
    """Some services write what is not there as null. Raises Unavailable for another form: it proves nothing."""
    try:
        return msgspec.convert(_present(found), kind)
    except msgspec.ValidationError as error:
        raise Unavailable(
            f"{provider} describes a resource in a form that Herder does not know: {error}."
        ) from None


def _present(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _present(value) for name, value in found.items() if value is not None}
    return [_present(each) for each in found] if isinstance(found, list) else found
