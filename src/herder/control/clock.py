"""The only place that reads the clocks and entropy. Everything else is handed a `Clock`, `now` or a token."""

import hashlib
import hmac
import secrets
import time


def now_ms() -> int:
    """Milliseconds since the epoch, UTC. For what has no `Core` yet; everything else asks `core.clock`."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of a clock that never goes back, for measuring durations."""
    return time.monotonic()


class SystemClock:
    """This machine's clocks (`ports.clock.Clock`)."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


def cpu_s() -> float:
    """CPU seconds that this process has used, all threads."""
    return time.process_time()


def new_token() -> str:
    """A secret of 256 bits, as text that is safe in a header."""
    return secrets.token_urlsafe(32)


def derived_token(secret: str, purpose: str) -> str:
    """A token that this installation can make again and nobody else can guess."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def hash_token(token: str) -> str:
    """How tokens are stored. They are random and long, so a plain hash is enough."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
