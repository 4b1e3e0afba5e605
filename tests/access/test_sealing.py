"""Encryption of secrets at rest and the file of its keys."""

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.secrets.key_file import KeyFileError, read_keys, read_or_make, write_keys
from herder.secrets.sealing import KeyRing, SealError, new_key


@given(value=st.binary(max_size=300), place=st.text(max_size=20))
def test_a_value_comes_back_and_its_sealed_form_shows_nothing_of_it(value: bytes, place: str) -> None:
    ring = KeyRing((new_key(),))
    key_id, sealed = ring.seal(place, value)
    assert ring.open(key_id, place, sealed) == value
    assert ring.seal(place, value)[1] != sealed, "two seals of one value cannot be told to be of one"
    if len(value) > 4:
        assert value not in base64.b64decode(sealed)


@given(value=st.binary(min_size=1, max_size=200), at=st.integers(0), bit=st.integers(0, 7))
def test_what_was_changed_or_is_in_another_place_does_not_open(value: bytes, at: int, bit: int) -> None:
    ring = KeyRing((new_key(),))
    key_id, sealed = ring.seal("here", value)
    content = bytearray(base64.b64decode(sealed))
    content[at % len(content)] ^= 1 << bit
    with pytest.raises(SealError, match="changed or damaged"):
        ring.open(key_id, "here", base64.b64encode(content).decode())
    with pytest.raises(SealError, match="changed or damaged"):
        ring.open(key_id, "there", sealed)
    with pytest.raises(SealError, match="which this server does not have"):
        KeyRing((new_key(),)).open(key_id, "here", sealed)


def test_the_first_key_of_the_file_encrypts_and_all_decrypt(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    old = read_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make(path) == old
    key_id, sealed = old.seal("p", b"v")
    both = KeyRing((new_key(), *old.keys))
    write_keys(path, both)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = read_keys(path)
    assert found.open(key_id, "p", sealed) == b"v"
    assert found.seal("p", b"v")[0] == both.current.id != key_id
    assert old.current.content not in repr(old).encode()


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("", 0o600, "is empty"),
        ("short\n", 0o600, "line 1, is not a key of secrets"),
        ("AAAA\n", 0o600, "line 1, is not a key of secrets"),
        ("ä\n", 0o600, "it is not a text file"),
        ("x", 0o640, "can be read by others"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_and_left_as_it_is(
    tmp_path: Path, text: str, mode: int, says: str
) -> None:
    path = tmp_path / "secrets.key"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=says) as error:
        read_or_make(path)
    assert error.value.hint
    assert path.read_text() == text
