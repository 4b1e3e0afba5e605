"""The metadata of all tables, and the kinds of columns that they have."""

from sqlalchemy import BigInteger, Column, MetaData, Text, text

metadata = MetaData()


def number(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False)


def words(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def count_later(name: str) -> Column[int]:
    """Added to tables that had rows already."""
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def later(name: str) -> Column[str]:
    """Added to tables that had rows already."""
    return Column(name, Text, nullable=False, server_default=text("''"))
