"""Rows of recommendations. Read when a server starts; what is asked for is in memory."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from herder.model.stored.recommendation_records import RecommendationRecord
from herder.store.rows.ledger_tables import recommendations

#: Names in one statement.
NAMES = 500


def stored(connection: Connection) -> list[RecommendationRecord]:
    return [RecommendationRecord(*row) for row in connection.execute(select(recommendations))]


def forget(connection: Connection, ids: Sequence[str]) -> None:
    for begin in range(0, len(ids), NAMES):
        connection.execute(
            delete(recommendations).where(recommendations.c.id.in_(ids[begin : begin + NAMES]))
        )
