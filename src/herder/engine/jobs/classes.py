"""Which classes of jobs stay in memory: all that an unfinished job has, and the newest of the others.

Called by `control/jobs/submitting/submission.py` before it looks up the classes of a call. Rows of ended jobs go on referring to classes that were
forgotten here; who reads them takes the class from the store. A class that comes again gets a new number.
"""

from herder.engine.memory.state import EngineState
from herder.model.ids import ClassId
from herder.model.stored.changes import Changes
from herder.model.work.job import JobClass

#: Above so many, those that nothing refers to are forgotten, the oldest first: about 1 KiB each.
CLASSES_MAX = 100_000
#: Down to this part of the bound; and when more are in use, they may grow by this part before it is looked again.
PART = 4


def remember_class(state: EngineState, class_id: ClassId, job_class: JobClass) -> None:
    """A class that comes into memory."""
    state.classes[class_id] = job_class
    if job_class.timed:
        state.timed.add(class_id)
        if job_class.deadline_ms is not None:
            state.next_deadline_ms = min(state.next_deadline_ms, job_class.deadline_ms)


def class_id_of(state: EngineState, changes: Changes, job_class: JobClass) -> ClassId:
    """The number of a class, which is new if nobody has named it before."""
    found = state.class_ids.get(job_class)
    if found is not None:
        return found
    class_id = ClassId(state.next_class)
    state.next_class += 1
    remember_class(state, class_id, job_class)
    state.class_ids[job_class] = class_id
    changes.classes_new[class_id] = job_class
    return class_id


def forget_classes(state: EngineState) -> bool:
    """Whether any were forgotten: numbers of classes that were remembered elsewhere may then be out of date."""
    there = len(state.classes)
    if there <= max(CLASSES_MAX, state.classes_looked_at + state.classes_looked_at // PART):
        return False
    used = _used(state)
    too_many = there - (CLASSES_MAX - CLASSES_MAX // PART)
    for class_id in [each for each in state.classes if each not in used][:too_many]:
        gone = state.classes.pop(class_id)
        if state.class_ids.get(gone) == class_id:  # else it came again since, with another number
            del state.class_ids[gone]
        state.queues.pop(class_id, None)
    state.classes_looked_at = len(state.classes)
    return True


def _used(state: EngineState) -> set[ClassId]:
    used = {class_id for class_id, queue in state.queues.items() if queue.count}
    used.update(attempt.class_id for attempt in state.live.values())
    used.update(waiting.class_id for waiting in state.delayed.values())
    used.update(faults.class_id for faults in state.faults.values())
    used.update(each.class_id for each in state.retried_as.values())
    used.update(class_id for class_id, _ in state.ended_runs)
    used.update(held.class_id for held in state.held_jobs.values())
    for batch in state.batches.values():
        used.update(batch.keeping.parked if batch.keeping is not None else ())
        used.update(class_id for class_id, _ in batch.held)
        used.update(waiting.class_id for waiting in batch.waiting.values())
    return used
