"""httpx without its own command line, which takes two thirds of the time of its import and is of no use here: `herder` starts sooner.

If another module has imported httpx before, this changes nothing.
"""

import sys

if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # an ImportError, which httpx is ready for
    import httpx

    del sys.modules["httpx._main"]
else:
    import httpx

__all__ = ["httpx"]
