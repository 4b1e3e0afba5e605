"""Tokens of Red Hat's single sign-on: both kinds of secret, renewal, refusals; secrets stay secret."""

from __future__ import annotations

import httpx
import pytest

from herder.model.fleet.driver import DriverError, RateLimited, Unauthorised, Unavailable
from herder.remote.ocm.sso import RedHatLogin
from herder.testing.fakes import Rule
from herder.testing.ocm import CLASSIC, CLIENT, OFFLINE_TOKEN, SECRET
from tests.remote.ocm.lab import Clock, Lab, offline


def test_both_kinds_of_secret(lab: Lab) -> None:
    assert lab.login().token() == "token-1"
    assert offline(lab).token() == "token-2"


def test_a_token_is_renewed_a_minute_before_its_end(lab: Lab) -> None:
    login = lab.login()
    assert login.token() == "token-1"
    lab.jump(839)
    assert login.token() == "token-1"
    lab.jump(1)
    assert login.token() == "token-2"


def test_a_token_that_was_withdrawn_is_renewed_once(lab: Lab) -> None:
    lab.ocm.cluster(CLASSIC)
    lab.state.tokens.clear()
    assert lab.ocm.cluster(CLASSIC).name == "plain"
    assert lab.played.logins == 2


@pytest.mark.parametrize(
    "secrets", [{"client_id": CLIENT, "client_secret": "guess-of-mine"}, {"offline_token": "guess-of-mine"}]
)
def test_secrets_that_are_wrong(lab: Lab, secrets: dict[str, str]) -> None:
    with pytest.raises(Unauthorised) as caught:
        lab.login(**secrets).token()
    assert str(caught.value) == (
        "Red Hat single sign-on refused logging in: Invalid client or Invalid client credentials. Create a new secret of the service account, or a new "
        "offline token, at https://console.redhat.com."
    )


@pytest.mark.parametrize(
    "secrets", [{}, {"client_id": "a"}, {"client_secret": "a"}, {"offline_token": "a", "client_id": "b"}]
)
def test_too_few_secrets_or_too_many(secrets: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="set either client_id and client_secret, or offline_token"):
        RedHatLogin(Clock(), **secrets)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (Rule(status=429, headers={"Retry-After": "100"}, times=-1), RateLimited),
        (Rule(status=503, times=-1), Unavailable),
        (Rule(status=200, body={"token": "a"}, times=-1), Unavailable),
        (Rule(status=200, body=["a"], times=-1), Unavailable),
        (
            Rule(status=400, body={"error": "invalid_grant", "error_description": f"not {SECRET}"}, times=-1),
            Unauthorised,
        ),
    ],
)
def test_single_sign_on_that_does_not_work(lab: Lab, rule: Rule, kind: type[DriverError]) -> None:
    lab.played.faults.add(rule)
    with pytest.raises(kind) as caught:
        lab.ocm.cluster(CLASSIC)
    assert SECRET not in str(caught.value)
    assert lab.played.asked == []


def test_an_offline_token_that_is_exchanged() -> None:
    """Keycloak may give a new one at each use, after which the old one is refused."""
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(dict(httpx.QueryParams(request.read().decode()))["refresh_token"])
        body = {"access_token": f"t{len(sent)}", "expires_in": 300, "refresh_token": f"newer-{len(sent)}"}
        return httpx.Response(200, json=body)

    clock = Clock()
    login = RedHatLogin(clock, offline_token=OFFLINE_TOKEN, transport=httpx.MockTransport(answer))
    try:
        login.token()
        clock.ms += 300_000
        assert login.token() == "t2"
    finally:
        login.close()
    assert sent == [OFFLINE_TOKEN, "newer-1"]
