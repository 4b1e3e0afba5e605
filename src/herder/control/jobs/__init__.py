"""Taking in work: batches and jobs are checked, put into classes, given to the engine; and what attempts are sent.

Called by `Commands` and by the exchange with workers. It must never decide where a job runs.
"""
