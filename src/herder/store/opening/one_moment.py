"""Reads beside a running server."""

from sqlalchemy import Connection


def see_one_moment(connection: Connection) -> None:
    """All that this connection reads from now on is of one moment. It is fresh: no statement was run on it yet.

    Without a word, each query would see the rows of another moment, and a busy server would look broken.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    else:
        connection.exec_driver_sql("BEGIN")
