"""The body of a request as an object: JSON, or YAML where the client says so."""

from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.answers import Request
from herder.testing.kubernetes.objects.stored import DECODER


def body_of(request: Request) -> Any:
    """Raises ApiError 400 or 415."""
    media = request.headers.get("content-type", "").partition(";")[0].strip()
    if media.endswith("protobuf"):
        raise answers.ApiError(
            415,
            "UnsupportedMediaType",
            "this server reads JSON and YAML, no Protocol Buffers: "
            "use `kubectl apply -f FILE` instead of `kubectl create`",
        )
    try:
        return DECODER.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not media.endswith("yaml"):
            raise answers.bad_request(f"couldn't get version/kind; json parse error: {error}") from None
    try:
        return YAML(typ="safe").load(request.body.decode())
    except (YAMLError, UnicodeDecodeError) as error:
        raise answers.bad_request(f"error converting YAML to JSON: {error}") from None
