"""Submission and cancellation of jobs and batches, and the payloads that attempts get.

Called by `Commands` and by the exchange with workers. It must never decide where a job runs.
"""
