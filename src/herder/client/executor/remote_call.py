"""The program of a job of an executor: reads a pickled call from its folder, runs it, and writes its outcome as the result of the job.

Its text travels with each job (see `calls`), so that a worker needs Python and cloudpickle, and no Herder. Imports nothing of Herder.
"""


def main() -> None:
    import base64
    import json
    import os
    import pickle
    import sys
    import traceback
    import zlib
    from importlib import import_module
    from typing import Any

    answer: dict[str, Any] = {}
    with open("call.txt", encoding="ascii") as file:
        wanted, text = file.read().split("\n", 1)
    try:
        found = ".".join(map(str, sys.version_info[:2]))
        if found != wanted:
            raise RuntimeError(
                f"The call was made by Python {wanted}, but the worker runs Python {found}. "
                "Name a program of the same version: Executor(python=...)."
            )
        cloudpickle = import_module("cloudpickle")
        function, rows = pickle.loads(zlib.decompress(base64.b64decode(text)))  # noqa: S301 - of the job's own user
        data = cloudpickle.dumps([function(*args, **kwargs) for args, kwargs in rows], protocol=5)
    except BaseException as error:  # noqa: BLE001 - whatever a call raises is its outcome
        traceback.print_exc()
        answer = {"type": type(error).__qualname__[:1_000], "trace": traceback.format_exc()[-60_000:]}
        try:
            answer["text"] = str(error)[:10_000]
            data = import_module("cloudpickle").dumps(error, protocol=5)
            pickle.loads(data)  # noqa: S301 - just made here
        except BaseException:  # noqa: BLE001 - its type and text are sent
            data = b""
    body = base64.b64encode(zlib.compress(data, 1)).decode() if data else ""
    # A result has at most 1 MiB, and a character of the text and the traceback up to six bytes.
    limit = 500_000 if answer else 1_000_000
    if len(body) > limit:
        if not answer:
            text = f"The pickled result has {len(body):,} characters, but may have {limit:,}."
            answer = {"type": "ValueError", "text": text, "trace": text}
        body = ""
    with open(os.environ["HERDER_RESULT"], "w", encoding="utf-8") as file:
        json.dump({**answer, "data": body}, file)
    leave(1 if answer else 0)


def leave(code: int) -> None:
    """As the processes of multiprocessing end: to take an interpreter apart takes longer than most calls."""
    import atexit
    import os
    import sys
    import threading

    vars(threading)["_shutdown"]()
    vars(atexit)["_run_exitfuncs"]()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
