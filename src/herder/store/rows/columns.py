"""How columns of `tables.py` are written."""

from sqlalchemy import BigInteger, Column, MetaData, Text, text

metadata = MetaData()


def int_column(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False)


def text_column(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def owner_column(name: str) -> Column[str]:
    """Added to tables that had rows already."""
    return Column(name, Text, nullable=False, server_default=text("''"))
