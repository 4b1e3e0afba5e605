"""Configurations of pipelines as the API takes and shows them. Data only."""

import msgspec


class PipelineSet(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    config: str
    """Text, as jobs read it. It is not for passwords: use secrets."""
    project: str | None = None
    """Its members may read it too. Omitted: it stays as it is; of a new one, default."""


class PipelineView(msgspec.Struct, kw_only=True):
    name: str
    user: str
    """Empty: it is defined in herder.yaml, and every user may read it."""
    project: str
    bytes: int
    changed_at: str | None
    """null: it is defined in herder.yaml."""
    changed_by: str
    config: str = ""
    """Empty in lists."""
