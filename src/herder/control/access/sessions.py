"""Sessions of browsers. A session is created from a token and stored by the hash of its cookie. It ends with a sign-out, at its expiry,
or with its token or user; all of this survives a restart.

Called by `control/commands.py`. The cookie is no API token: whoever reads it cannot call the API with it. Each token has a fixed number of
places for sessions, so neither memory nor table can grow by signing in.
"""

from herder.control.access.tokens import Directory
from herder.control.kernel.bounds.errors import Unauthenticated
from herder.control.kernel.bounds.limits import SESSIONS_PER_TOKEN
from herder.control.kernel.secret_tokens import hash_token, new_token
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.model.stored.records import SessionRecord

#: A working week, so that a person signs in once a week at most.
SESSION_S = 7 * 86400


def sign_in(directory: Directory, changes: Changes, token: str, now_ms: int) -> str:
    """The cookie of a new session. Raises Unauthenticated."""
    who = directory.principal(token, now_ms)
    digest, cookie = hash_token(token), new_token()
    mine = {each.place: each for each in directory.sessions.values() if each.token_hash == digest}
    free = [
        place
        for place in range(SESSIONS_PER_TOKEN)
        if place not in mine or mine[place].expires_at_ms <= now_ms
    ]
    place = free[0] if free else min(mine, key=lambda each: mine[each].expires_at_ms)
    if place in mine:
        del directory.sessions[mine[place].hash]
    until_ms = min(now_ms + SESSION_S * 1000, who.expires_at_ms or 2**62)
    record = SessionRecord(digest, place, hash_token(cookie), until_ms)
    directory.sessions[record.hash] = record
    changes.put(record)
    return cookie


def visitor(directory: Directory, cookie: str, now_ms: int) -> Principal | None:
    """Whom a cookie speaks for; None when it is none of ours, or its session, token or user has ended."""
    record = directory.sessions.get(hash_token(cookie)) if cookie else None
    if record is None or now_ms >= record.expires_at_ms:
        return None
    try:
        return directory.holder(record.token_hash, now_ms)
    except Unauthenticated:
        return None


def sign_out(directory: Directory, changes: Changes, cookie: str) -> None:
    record = directory.sessions.pop(hash_token(cookie), None)
    if record is not None:
        changes.put(record._replace(hash=""))
