"""The table of secrets, defined as those in `tables.py`, where it is listed."""

from sqlalchemy import Table

from herder.store.rows.columns import metadata, number, words

# Values are encrypted with keys that are not in the store (`secrets/`). Row by row: a value is bound to its place.
secrets = Table(
    "secrets",
    metadata,
    words("scope", key=True),
    words("owner", key=True),
    words("name", key=True),
    number("version"),
    words("key_id"),
    words("sealed"),
    number("bytes"),
    number("text"),
    number("created_at_ms"),
    number("changed_at_ms"),
    words("changed_by"),
    number("deleted_at_ms", null=True),
)
