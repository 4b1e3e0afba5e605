"""The pure state machines of batches, jobs, attempts and workers: an event in, changed rows out; no clock, no I/O.

Each function is one thing that happened: it takes the `EngineState`, the facts, `now_ms` and a `Changes` to fill.
Whatever it changes in memory it also records in `Changes`; the caller makes that durable before anybody is told.
"""
