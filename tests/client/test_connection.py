"""Which server and which token: flag > environment > profile > what `herder up` wrote."""

import json
from pathlib import Path

import pytest

from herder.client import UnreachableError, find_target
from herder.client.connection import ConnectionSettingsError

UP = "http://127.0.0.1:1111"
PROFILE = "https://prod.example"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Everything is there: `server.json` with a token file, and a profile with its own."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "admin.token").write_text("token-of-up\n")
    (state / "server.json").write_text(json.dumps({"url": UP, "token_file": "admin.token"}))
    config = tmp_path / "config" / "herder"
    config.mkdir(parents=True)
    (config / "prod.token").write_text("token-of-prod")
    (config / "config.toml").write_text(f'[profiles.prod]\nurl = "{PROFILE}"\ntoken_file = "prod.token"\n')
    return {"HERDER_DATA_DIR": str(state), "XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_without_anything_said_it_is_the_server_of_this_machine(env: dict[str, str]) -> None:
    target = find_target(env=env)
    assert (target.url, target.token) == (UP, "token-of-up")
    assert target.url_from.endswith("server.json")


def test_the_order_is_flag_environment_profile_server_file(env: dict[str, str]) -> None:
    assert find_target(profile="prod", env=env).url == PROFILE
    assert find_target(profile="prod", env=env).token == "token-of-prod"
    assert find_target(env={**env, "HERDER_PROFILE": "prod"}).url == PROFILE
    both = {**env, "HERDER_URL": "http://env.example", "HERDER_TOKEN": "token-of-env"}
    target = find_target(profile="prod", env=both)
    assert (target.url, target.url_from, target.token) == ("http://env.example", "HERDER_URL", "token-of-env")
    assert find_target(url="http://flag.example", profile="prod", env=both).url == "http://flag.example"


def test_a_token_file_of_flag_or_environment_comes_first(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a").write_text(" mine \n")
    assert find_target(token_file=str(tmp_path / "a"), env=env).token == "mine"
    assert find_target(env={**env, "HERDER_TOKEN_FILE": str(tmp_path / "a")}).token == "mine"


def test_a_token_goes_only_to_the_address_it_belongs_to(env: dict[str, str]) -> None:
    assert find_target(url="http://evil.example", profile="prod", env=env).token is None
    assert find_target(env={**env, "HERDER_URL": "http://evil.example"}).token is None
    assert find_target(url=UP + "/", env=env).token == "token-of-up", "the same address, written with a slash"


def test_tokens_are_not_shown(env: dict[str, str]) -> None:
    assert "token-of-up" not in repr(find_target(env=env))


def test_nothing_known(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="No server is configured") as caught:
        find_target(env={"HERDER_DATA_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert "herder up" in caught.value.hint


@pytest.mark.parametrize("content", ["", "[]", "{}", "not json"])
def test_a_damaged_server_file_is_named(env: dict[str, str], content: str) -> None:
    Path(env["HERDER_DATA_DIR"], "server.json").write_text(content)
    with pytest.raises(ConnectionSettingsError, match=r"server\.json is damaged."):
        find_target(env=env)


def test_profiles_that_do_not_exist_are_named_with_those_that_do(env: dict[str, str]) -> None:
    with pytest.raises(ConnectionSettingsError, match="no profile 'pord'") as caught:
        find_target(profile="pord", env=env)
    assert "prod" in caught.value.hint
    Path(env["XDG_CONFIG_HOME"], "herder", "config.toml").write_text("[broken")
    with pytest.raises(ConnectionSettingsError, match="cannot be read"):
        find_target(env=env)


def test_a_token_file_that_never_ends_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(ConnectionSettingsError, match="does not contain a token"):
        find_target(url="http://127.0.0.1:1", token_file="/dev/zero", env=env)


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", b"line\nline"])
def test_a_token_file_without_a_token_is_refused_without_showing_it(
    env: dict[str, str], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ConnectionSettingsError) as caught:
        find_target(token_file=str(tmp_path / "bad"), env=env)
    assert "words" not in str(caught.value)
