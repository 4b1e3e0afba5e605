"""What all tables are made of: the metadata that knows them, and columns in their usual forms. Used by the modules that define tables."""

from sqlalchemy import BigInteger, Column, MetaData, Text, text

metadata = MetaData()


def int_(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False)


def text_(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def owner_(name: str) -> Column[str]:
    """Added to tables that had rows already."""
    return Column(name, Text, nullable=False, server_default=text("''"))
