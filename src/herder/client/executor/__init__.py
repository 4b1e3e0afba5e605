"""Python functions as jobs: an executor as in `concurrent.futures`, whose calls run on the workers of a Herder server.

`executor` is what people use, `calls` pickles calls and reads their outcome, `remote_call` is the program of each job, `sending` and
`receiving` are its threads. It reaches the server only through the client.
"""

from herder.client.executor.executor import Executor
from herder.client.executor.outcome import JobFailedError, RemoteError

__all__ = ["Executor", "JobFailedError", "RemoteError"]
