"""Rows of classes that are new, made once, at the hand-over (`control/kernel/core.py`)."""

from herder.model.stored.changes import Changes
from herder.model.stored.records import JobClassRecord
from herder.store.rows.json_forms import encode_class


def put_classes(changes: Changes) -> None:
    for number, each in changes.classes_new.items():
        changes.put(JobClassRecord(number, each.user, each.project, each.pool, encode_class(each)))
    changes.classes_new.clear()
