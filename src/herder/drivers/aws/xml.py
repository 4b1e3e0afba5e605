"""Answers of EC2's query API as data: an element is an object of its children, or its text; one of `item`s is a list. Pure."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

Json = dict[str, Any]


def decoded(content: bytes) -> Any:
    """Raises ValueError: it is no XML, or declares a document type, which EC2 never does."""
    if b"<!DOCTYPE" in content:
        raise ValueError("an answer with a document type")
    try:
        return _value(ElementTree.fromstring(content))
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error


def _value(element: ElementTree.Element) -> Any:
    children = list(element)
    if not children:
        return element.text or ""
    if all(_name(each) == "item" for each in children):
        return [_value(each) for each in children]
    return {_name(each): _value(each) for each in children}


def _name(element: ElementTree.Element) -> str:
    """Without the name space, which has the version of the API."""
    return element.tag.rpartition("}")[2]


def rows(found: Mapping[str, Any], name: str) -> list[Json]:
    """Of a list; one that is empty has no items, and is a text."""
    value = found.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def part(found: Mapping[str, Any], name: str) -> Json:
    value = found.get(name)
    return value if isinstance(value, dict) else {}
