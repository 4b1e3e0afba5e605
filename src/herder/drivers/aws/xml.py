"""Answers of EC2's query API as data: an object of the outermost element, by its name; an element is an object of its children, or its text; one of `item`s is a list. Pure."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

Json = dict[str, Any]


def decoded(content: bytes) -> Any:
    """Raises ValueError: it is no XML, or declares a document type, which EC2 never does."""
    try:
        root = ElementTree.fromstring(content, ElementTree.XMLParser(target=_WithoutEntities()))
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    return {_name(root): _value(root)}


class _WithoutEntities(ElementTree.TreeBuilder):
    def doctype(self, _name: str, _public: str, _system: str) -> None:
        """Called before an entity can be declared, whatever the encoding."""
        raise ValueError("an answer with a document type")


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
