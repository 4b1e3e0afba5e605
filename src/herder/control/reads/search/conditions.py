"""From the terms of a search to conditions of SQL. Called by `jobs.py` and `batches.py` of this folder.

Values are parameters, and what is special in a pattern is escaped: a search finds `100%` by its own characters.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import JSON, ColumnElement, and_, cast, or_, type_coerce

from herder.control.reads.search.language import Term

Expression = Any
#: How a column with conditions of its own is asked for one value.
Special = Callable[[str], ColumnElement[bool]]

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def condition(term: Term, expressions: Mapping[str, Expression], special: Mapping[str, Special]) -> Any:
    """Of one term. What is not known is not equal to anything, and has no order."""
    if term.column in special:
        any_of = or_(*(special[term.column](str(value)) for value in term.values))
        return ~any_of if term.operator == "!=" else any_of
    column = expressions[term.column]
    if term.operator in _COMPARE:
        return _COMPARE[term.operator](column, term.values[0])
    if term.operator in ("=", "!="):
        equal = column.in_(term.values)
        return equal if term.operator == "=" else or_(~equal, column.is_(None))
    contains = [column.icontains(str(value), autoescape=True) for value in term.values]
    return (
        or_(*contains) if term.operator == "~" else or_(column.is_(None), and_(*(~each for each in contains)))
    )


def json_text(column: Expression, key: str, dialect: str) -> Any:
    """What stands under a key of the JSON in which attributes are kept, as text."""
    plain = cast(column, JSON) if dialect == "postgresql" else type_coerce(column, JSON)
    return plain[key].as_string()
