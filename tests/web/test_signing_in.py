"""Who may see the dashboard, and that nobody else's page can act for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import select

from herder.control.commands import Commands
from herder.control.kernel import clock
from herder.control.kernel.bounds.limits import SESSIONS_PER_TOKEN
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import hash_token
from herder.model.ids import UserName
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.store.rows import tables as t
from herder.web import session
from tests.web.conftest import TOKEN, secret_in, sign_in
from tests.web.world import open_core


async def test_without_a_session_every_way_leads_to_the_sign_in(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/")
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert (await stranger.get("/dashboard/stream")).status_code == 401


async def test_a_token_opens_a_session(ann: httpx.AsyncClient) -> None:
    page = await ann.get("/")
    assert page.status_code == 200
    assert "administrator" in page.text


async def test_the_cookie_is_kept_from_scripts_and_other_sites_and_is_no_token(
    core: Core, stranger: httpx.AsyncClient
) -> None:
    answer = await sign_in(stranger, TOKEN)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{session.SESSION_COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert hash_token(answer.cookies[session.SESSION_COOKIE]) not in core.directory.tokens


async def test_a_wrong_token_is_refused_in_words(stranger: httpx.AsyncClient) -> None:
    answer = await sign_in(stranger, "guess")
    assert answer.status_code == 401
    assert "Invalid token" in answer.text
    assert session.SESSION_COOKIE not in answer.cookies


@pytest.mark.parametrize("secret", ["", "0" * 64])
async def test_a_form_of_another_site_is_refused(stranger: httpx.AsyncClient, secret: str) -> None:
    await stranger.get("/login")
    answer = await stranger.post("/login", data={"secret": secret, "token": TOKEN})
    assert answer.status_code == 403
    assert session.SESSION_COOKIE not in answer.cookies


async def test_a_form_is_bound_to_its_browser(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/login")
    stranger.cookies.clear()
    answer = await stranger.post("/login", data={"secret": secret_in(page.text), "token": TOKEN})
    assert answer.status_code == 403


async def test_a_form_that_is_too_large_is_refused(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/login")
    answer = await stranger.post("/login", data={"secret": secret_in(page.text), "token": "x" * 9000})
    assert answer.status_code == 403


async def test_signing_out_needs_the_page_and_ends_the_session(ann: httpx.AsyncClient) -> None:
    assert (await ann.post("/logout", data={"secret": "0"})).status_code == 403
    assert (await ann.get("/")).status_code == 200
    secret = secret_in((await ann.get("/")).text)
    assert (await ann.post("/logout", data={"secret": secret})).status_code == 303
    assert (await ann.get("/")).status_code == 303


async def test_a_revoked_token_ends_its_sessions(core: Core, ann: httpx.AsyncClient) -> None:
    digest = hash_token(TOKEN)
    core.directory.tokens[digest] = core.directory.tokens[digest]._replace(revoked_at_ms=1)
    assert (await ann.get("/")).status_code == 303


async def test_a_session_ends_by_itself(
    core: Core, ann: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now_ms() + session.SESSION_S * 1000 + 1000
    monkeypatch.setattr(core, "clock", SimpleNamespace(now_ms=lambda: later))
    assert (await ann.get("/")).status_code == 303


async def test_a_changed_cookie_is_worth_nothing(core: Core, ann: httpx.AsyncClient) -> None:
    commands, cookie = Commands(core), ann.cookies[session.SESSION_COOKIE]
    assert commands.visitor(cookie) is not None
    for changed in (cookie[:-1], cookie + "x", cookie.swapcase(), TOKEN, hash_token(TOKEN)):
        assert commands.visitor(changed) is None


@pytest.mark.parametrize("cookie", ["", ".", "..", "a.b.c", "é.1.ü", "\udcff"])
async def test_rubbish_is_no_session(core: Core, cookie: str) -> None:
    assert Commands(core).visitor(cookie) is None


async def test_a_cookie_is_worth_nothing_once_its_owner_has_signed_out(
    core: Core, ann: httpx.AsyncClient
) -> None:
    cookie = ann.cookies[session.SESSION_COOKIE]
    secret = secret_in((await ann.get("/")).text)
    assert (await ann.post("/logout", data={"secret": secret})).status_code == 303
    ann.cookies.set(session.SESSION_COOKIE, cookie)
    assert (await ann.get("/")).status_code == 303
    assert (await ann.get("/dashboard/stream")).status_code == 401


async def test_sessions_live_on_over_a_restart_and_ends_hold(core: Core, tmp_path: Path) -> None:
    commands = Commands(core)
    kept, ended = await commands.sign_in(TOKEN), await commands.sign_in(TOKEN)
    await commands.sign_out(ended)
    again = await open_core(tmp_path, TOKEN, "the installation's secret")
    try:
        assert Commands(again).visitor(kept) == commands.visitor(kept)
        assert commands.visitor(kept) is not None
        assert Commands(again).visitor(ended) is None
    finally:
        await again.close()
        again.store.engine.dispose()


async def test_signing_in_again_and_again_fills_nothing(core: Core) -> None:
    commands = Commands(core)
    cookies = [await commands.sign_in(TOKEN) for _ in range(SESSIONS_PER_TOKEN + 5)]
    assert [commands.visitor(each) is not None for each in cookies] == [False] * 5 + [
        True
    ] * SESSIONS_PER_TOKEN
    rows = await core.read(lambda connection: connection.execute(select(t.sessions)).all())
    assert len(rows) == len(core.directory.sessions) == SESSIONS_PER_TOKEN


async def test_a_session_ends_with_the_role_of_its_user(core: Core, ann: httpx.AsyncClient) -> None:
    changes = Changes()
    core.directory.add_user(changes, "ann", Role.VIEWER, 1, clock.now_ms())
    assert "viewer" in (await ann.get("/")).text
    del core.directory.users[UserName("ann")]
    assert (await ann.get("/")).status_code == 303
