"""A pipeline of herder.yaml: a name, and a text that jobs ask for by it. Data only."""

from dataclasses import dataclass

#: Of the configuration of one pipeline.
CONFIG_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    name: str
    config: str = ""
