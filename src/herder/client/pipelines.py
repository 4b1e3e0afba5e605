"""Configurations of pipelines: the part of the client that reads and sets them."""

from collections.abc import Iterator

from herder.client.http.transport import Transport
from herder.client.parts.fleet import segment
from herder.client.parts.pages import whole
from herder.wire.api.resources import Result
from herder.wire.pipelines import PipelineSet, PipelineView


class Pipelines:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> Iterator[PipelineView]:
        """By name, without their configurations."""
        return whole(self._http, "/pipelines", PipelineView)

    def get(self, name: str) -> PipelineView:
        return self._http.get(f"/pipelines/{segment(name)}", PipelineView)

    def set(self, name: str, config: str, *, project: str | None = None) -> PipelineView:
        """Jobs that read it from now on get this text."""
        body = PipelineSet(config=config, project=project)
        return self._http.write("PUT", f"/pipelines/{segment(name)}", PipelineView, body)

    def delete(self, name: str) -> Result:
        return self._http.write("DELETE", f"/pipelines/{segment(name)}", Result)
