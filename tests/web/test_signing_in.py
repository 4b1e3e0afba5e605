"""Who may see the dashboard, and that nobody else's page can act for them."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest

from herder.control import clock
from herder.control.core import Core
from herder.web import session
from tests.web.conftest import TOKEN, secret_in, sign_in


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
    assert clock.hash_token(answer.cookies[session.SESSION_COOKIE]) not in core.directory.tokens


async def test_a_wrong_token_is_refused_in_words(stranger: httpx.AsyncClient) -> None:
    answer = await sign_in(stranger, "guess")
    assert answer.status_code == 401
    assert "not a valid token" in answer.text
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
    digest = clock.hash_token(TOKEN)
    core.directory.tokens[digest] = core.directory.tokens[digest]._replace(revoked_at_ms=1)
    assert (await ann.get("/")).status_code == 303


async def test_a_session_ends_by_itself(
    core: Core, ann: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now_ms() + session.SESSION_S * 1000 + 1000
    monkeypatch.setattr(core, "clock", SimpleNamespace(now_ms=lambda: later))
    assert (await ann.get("/")).status_code == 303


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_changed_cookie_is_worth_nothing(core: Core, ann: httpx.AsyncClient, part: int) -> None:
    parts = ann.cookies[session.SESSION_COOKIE].split(".")
    assert session.holder(core, ".".join(parts)) is not None
    parts[part] = parts[part][:-1] + ("1" if parts[part][-1] != "1" else "2")
    assert session.holder(core, ".".join(parts)) is None


@pytest.mark.parametrize("cookie", ["", ".", "..", "a.b.c", "é.1.ü"])
async def test_rubbish_is_no_session(core: Core, cookie: str) -> None:
    assert session.holder(core, cookie) is None
