"""botocore's models of EC2 and of the other services: what in a request, or in an answer, it does not have."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

VERSION = "2016-11-15"


@cache
def _model(service: str = "ec2") -> Any:
    """None: botocore is not installed."""
    if find_spec("botocore") is None:
        return None
    version = VERSION if service == "ec2" else None
    described = import_module("botocore.loaders").Loader().load_service_model(service, "service-2", version)
    return import_module("botocore.model").ServiceModel(described, service)


def json_misfit(service: str, action: str, value: Any, *, asked: bool) -> str:
    """Of what is asked or answered in JSON: the first that botocore's model does not have; empty: there is none."""
    model = _model(service)
    if model is None:
        return ""
    operation = model.operation_model(action)
    shape = operation.input_shape if asked else operation.output_shape
    wrong = import_module("botocore.validate").ParamValidator().validate(value, shape)
    return str(wrong.generate_report()) if wrong.has_errors() else next(_enums(shape, value, action), "")


def request_misfit(action: str, form: Mapping[str, str]) -> str:
    """The first; empty: there is none. `form`: without action and version."""
    model = _model()
    if model is None:
        return ""
    shape = model.operation_model(action).input_shape
    for name, value in form.items():
        if problem := _unfit(shape, name.split("."), value):
            return f"{name}: {problem}"
    return next(
        (f"{name} is missing" for name in shape.required_members if not _given(shape, name, form)), ""
    )


def answer_misfits(action: str, answer: Any) -> Iterator[str]:
    model = _model()
    if model is not None:
        shape = model.operation_model(action).output_shape
        members = dict(answer)
        members.pop("requestId", None)
        if shape is not None:
            yield from _strange(shape, members, action)


def _given(shape: Any, name: str, form: Mapping[str, str]) -> bool:
    key = _key(name, shape.members[name])
    return any(each == key or each.startswith(f"{key}.") for each in form)


def _key(name: str, member: Any) -> str:
    serial = member.serialization
    plain = str(serial.get("queryName") or serial.get("name") or name)
    return plain[0].upper() + plain[1:]


def _unfit(shape: Any, parts: list[str], value: str) -> str:
    if shape.type_name == "list":
        return (
            _unfit(shape.member, parts[1:], value)
            if parts and parts[0].isdecimal()
            else "no number in a list"
        )
    if shape.type_name == "structure":
        members = [each for name, each in shape.members.items() if parts and _key(name, each) == parts[0]]
        return _unfit(members[0], parts[1:], value) if members else "unknown parameter"
    if parts:
        return "unknown parameter"
    if shape.type_name == "integer" and not value.lstrip("-").isdecimal():
        return f"{value!r:.40} is no number"
    if shape.type_name == "boolean" and value not in ("true", "false"):
        return f"{value!r:.40} is neither true nor false"
    enum = getattr(shape, "enum", ())
    return f"{value!r:.40} is not a known value" if enum and value not in enum else ""


def _enums(shape: Any, value: Any, at: str) -> Iterator[str]:
    """Values that are none of those that the model lists."""
    if shape.type_name == "list":
        for each in value:
            yield from _enums(shape.member, each, f"{at}[]")
    elif shape.type_name == "structure":
        for name, each in value.items():
            yield from _enums(shape.members[name], each, f"{at}.{name}")
    elif getattr(shape, "enum", ()) and value not in shape.enum:
        yield f"{at} {value!r:.40} is not a known value"


def _strange(shape: Any, value: Any, at: str) -> Iterator[str]:
    if shape.type_name == "list":
        for each in value or ():
            yield from _strange(shape.member, each, f"{at}[]")
    elif shape.type_name == "structure":
        known = {str(each.serialization.get("name", name)): each for name, each in shape.members.items()}
        for name, each in value.items():
            if name in known:
                yield from _strange(known[name], each, f"{at}.{name}")
            else:
                yield f"{at}.{name} is unknown"
    elif getattr(shape, "enum", ()) and value not in shape.enum:
        yield f"{at} {value!r:.40} is not a known value"
