"""Keys of the table `meta`, and the reads of it that others than the server need. Called by `recover` and by simulations of a log."""

from sqlalchemy import Connection, select

from herder.store.rows import tables as t

#: The resources that the last server knew, in the plain form of herder.yaml.
RESOURCES = "resources"


def meta_text(connection: Connection, key: str) -> str | None:
    """None: there is no row of that key."""
    return connection.execute(select(t.meta.c.value).where(t.meta.c.key == key)).scalar()


def resources_text(connection: Connection) -> str | None:
    """As JSON; None: no server has declared any."""
    return meta_text(connection, RESOURCES)
