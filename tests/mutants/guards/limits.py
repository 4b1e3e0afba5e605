"""Mutants of what limits jobs over the whole server and in time."""

from herder.decide.quotas.type_rooms import UNLIMITED_JOBS
from tests.mutants.mutant import Look, Mutant, answers

#: Many jobs for few workers, and few looks: what happens between them shows.
LOOK = Look(jobs_per_day=12_000, days=0.05, workers=6, intensity=3.0)
RARE = Look(
    jobs_per_day=20_000, days=0.05, workers=6, intensity=1.0, core_settings={"lifecycle_period_s": 240.0}
)

LIMITED = (
    Mutant(
        guard="limits of job types",
        removes="Jobs of a type start whatever its max_concurrent and the slots are.",
        rules=("types keep their limits",),
        look=LOOK,
        replaced=(
            answers("herder.decide.quotas.type_rooms:TypeRooms.room", lambda: UNLIMITED_JOBS),
            answers("herder.decide.quotas.type_rooms:TypeRooms.own_room", lambda: UNLIMITED_JOBS),
            answers("herder.decide.quotas.type_rooms:TypeRooms.slot_room", lambda: UNLIMITED_JOBS),
            answers("herder.decide.quotas.type_rooms:TypeRooms.over", lambda: False),
        ),
    ),
    Mutant(
        guard="deadlines before placement",
        removes="A job whose deadline has passed may start until the next look at deadlines.",
        rules=("no job starts after its deadline",),
        look=RARE,
        replaced=(answers("herder.engine.attempts.time_limits:look_before_placement", lambda: None),),
    ),
    Mutant(
        guard="ends at deadlines",
        removes="Nothing happens to the jobs whose deadline has passed.",
        rules=("jobs end at their deadline",),
        look=LOOK,
        replaced=(answers("herder.engine.attempts.time_limits:_end_overdue", lambda: True),),
    ),
    Mutant(
        guard="queue timeouts",
        removes="A job waits for its first attempt for any time.",
        rules=("no job starts after its queue timeout",),
        look=LOOK,
        replaced=(answers("herder.engine.attempts.time_limits:_end_late", lambda: None),),
    ),
)
