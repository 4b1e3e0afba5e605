"""What makes a machine join: a bootstrap as herder.yaml describes it, and the data that a machine boots with. Data only.

The data is made by a bootstrap (`ports/bootstrap.py`), handed to a driver in `StartData`; the driver delivers it and does not read it.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapSettings:
    """One of `bootstraps:`. `settings` are those of its kind, as text or lists of text, for the kind to read; secrets are named by a file."""

    name: str
    kind: str
    settings: tuple[tuple[str, str | tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BootData:
    """The files of a NoCloud data source, as text. All of it is a secret: never logged, never shown."""

    user_data: str = field(repr=False)
    meta_data: str = field(default="", repr=False)
    network_config: str = field(default="", repr=False)
