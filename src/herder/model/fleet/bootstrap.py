"""What makes a machine join: the data that it boots with. Data only.

Made by a bootstrap (`ports/bootstrap.py`), handed to a driver in `StartData`; the driver delivers it and does not read it.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class BootData:
    """The files of a NoCloud data source, as text. All of it is a secret: never logged, never shown."""

    user_data: str = field(repr=False)
    meta_data: str = field(default="", repr=False)
    network_config: str = field(default="", repr=False)
