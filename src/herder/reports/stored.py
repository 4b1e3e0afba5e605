"""Documents as they are stored: JSON with every exact amount, from which the same document comes back; and the hash of it."""

import json
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from herder.reports.documents import Column, Document, Fact, Form, Table


class Damaged(ValueError):
    """What is stored is not what was."""


def packed(document: Document) -> str:
    """The same text for the same document. Amounts may be larger than 64 bits."""
    return json.dumps(asdict(document), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest_of(body: str) -> str:
    return sha256(body.encode()).hexdigest()


def unpacked(body: str, digest: str) -> Document:
    """Raises Damaged when it is not what the hash is of."""
    if digest_of(body) != digest:
        raise Damaged("its figures are not those of its hash")
    plain = json.loads(body)
    return Document(
        kind=plain["kind"],
        title=plain["title"],
        facts=[
            Fact(key=each["key"], value=each["value"], form=Form(each["form"])) for each in plain["facts"]
        ],
        tables=[_table(each) for each in plain["tables"]],
        notes=plain["notes"],
    )


def _table(plain: dict[str, Any]) -> Table:
    total = plain["total"]
    return Table(
        key=plain["key"],
        title=plain["title"],
        columns=tuple(
            Column(each["key"], form=Form(each["form"]), wide=each["wide"]) for each in plain["columns"]
        ),
        rows=[tuple(row) for row in plain["rows"]],
        total=None if total is None else tuple(total),
        note=plain["note"],
        empty=plain["empty"],
    )
