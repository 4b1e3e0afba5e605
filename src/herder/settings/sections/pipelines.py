"""The section `pipelines` of herder.yaml: configurations that every user may read. Called by `sharing`, with which they are applied and stored."""

from collections.abc import Iterable
from typing import Any

from herder.model.work.pipeline import CONFIG_BYTES, Pipeline
from herder.settings.sections.fields import Field, same
from herder.settings.syntax import validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Scalar, Table, Value

SECTION = "pipelines"


def _read_config(found: Reading, value: Value) -> str:
    if not isinstance(value, Scalar):
        found.wrong(
            value,
            "The configuration of a pipeline is text.",
            "Write `config: |` and indent the text below it.",
        )
        return ""
    text = validation.text(found, value)
    if value.text == "":
        found.wrong(value, "The configuration is empty.", "Write its text below `config: |`.")
    if "\0" in text:
        found.wrong(
            value, "The configuration has a NUL character, so it is not text.", "Remove the character."
        )
    size = len(text.encode(errors="replace"))
    if size > CONFIG_BYTES:
        found.wrong(
            value,
            f"The configuration has {size:,} bytes; the maximum is {CONFIG_BYTES:,}.",
            "Store it where the job can fetch it.",
        )
    return text


PIPELINE_FIELDS: tuple[Field, ...] = (
    Field(
        key="config",
        attribute="config",
        read=_read_config,
        write=same,
        schema={"type": "string"},
        doc="The text that `GET /api/pipelines/NAME/config` answers, as it is. Not for passwords: every user may read it.",
    ),
)


def read_pipelines(found: Reading, named: Iterable[tuple[Entry, Table]]) -> tuple[Pipeline, ...]:
    pipelines = []
    for entry, table in named:
        config = ""
        for each in validation.known_only(found, table, ("name", "config")):
            if each.name == "config":
                config = _read_config(found, each.value)
        if not config and table.get("config") is None:
            found.problem(
                entry.place,
                table.key,
                "The pipeline has no config.",
                "Write its configuration below `config: |`.",
            )
        pipelines.append(Pipeline(name=entry.name, config=config))
    return tuple(pipelines)


def pipelines_to_plain(pipelines: Iterable[Pipeline]) -> dict[str, Any]:
    return {each.name: {"config": each.config} for each in pipelines}
