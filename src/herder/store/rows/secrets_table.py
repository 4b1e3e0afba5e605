"""The table of secrets, defined as those in `tables.py`, where it is listed."""

from sqlalchemy import Table

from herder.store.rows.columns import int_, metadata, text_

# Values are encrypted with keys that are not in the store (`secrets/`). Row by row: a value is bound to its place.
secrets = Table(
    "secrets",
    metadata,
    text_("scope", key=True),
    text_("owner", key=True),
    text_("name", key=True),
    int_("version"),
    text_("key_id"),
    text_("sealed"),
    int_("bytes"),
    int_("text"),
    int_("created_at_ms"),
    int_("changed_at_ms"),
    text_("changed_by"),
    int_("deleted_at_ms", null=True),
)
