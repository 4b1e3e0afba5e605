"""Red Hat's own description of OCM's API, and what every error has that it does not describe."""

from collections.abc import Mapping
from pathlib import Path

from herder.testing.fakes.openapi import OpenApi
from herder.testing.fakes.schemas import Schema

FILE = Path(__file__).with_name("descriptions") / "clusters_mgmt_v1.json.gz"


def _error(schemas: Mapping[str, Schema]) -> Schema:
    """The description has an integer for the id, no time and no id of the operation; every answer of OCM has texts."""
    text = {"type": "string"}
    properties = {**schemas["Error"]["properties"], "id": text, "operation_id": text, "timestamp": text}
    return {**schemas["Error"], "properties": properties}


API = OpenApi(FILE, _error, "/api/clusters_mgmt/v1")
