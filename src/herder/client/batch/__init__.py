"""Batches of shell commands, built in Python: jobs, what they need, what they depend on and the files that they hand on.

`batch` and `job` are what people use, `resources` the files, `submitted` a batch that the server has. It reaches the server only through
the client. The methods are named as in Hail Batch, so that a script of it needs another import.
"""

from herder.client.batch.batch import Batch
from herder.client.batch.job import Job
from herder.client.batch.resources import InputFile, ResourceFile, ResourceGroup
from herder.client.batch.submitted import BatchFailedError, SubmittedBatch

__all__ = [
    "Batch",
    "BatchFailedError",
    "InputFile",
    "Job",
    "ResourceFile",
    "ResourceGroup",
    "SubmittedBatch",
]
