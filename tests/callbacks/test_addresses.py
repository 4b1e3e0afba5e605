"""Where a callback may go: public addresses by https, and what the server's files allow. Nothing that only the server reaches."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.notify.addresses import (
    Allowed,
    BadTarget,
    callable_addresses,
    checked,
    is_public,
    without_secrets,
)

NOTHING = Allowed(())
PRIVATE = (
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "0.0.0.0",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
    "::10.0.0.1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1")


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_not_public_in_any_form(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(BadTarget, match="is not a public address") as caught:
        checked(f"https://{literal}/hook", NOTHING)
    assert "callbacks.allow" in caught.value.hint


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_is_as_public_behind_ipv6_as_it_is(address: ipaddress.IPv4Address) -> None:
    for outer in (
        ipaddress.IPv6Address(f"::ffff:{address}"),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address)),
        ipaddress.IPv6Address((0x2002 << 112) + (int(address) << 80)),
    ):
        assert is_public(outer) == is_public(address)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is not a URL of a web server"),
        ("hook", "is not a URL of a web server"),
        ("ftp://example.org/x", "is not a URL of a web server"),
        ("file:///etc/passwd", "is not a URL of a web server"),
        ("https:///x", "is not a URL of a web server"),
        ("https://example.org:0/", "is not a URL of a web server"),
        ("https://exa mple.org/", "is not a URL of a web server"),
        ("https://example.org/\r\nX: y", "is not a URL of a web server"),
        ("https://bücher.example/", "is not a URL of a web server"),
        ("https://example.org:99999/", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://ann:secret@example.org/", "contains a user name or a password"),
        ("http://example.org/hook", "is not encrypted"),
        ("https://example.org/" + "x" * 2_000, "the maximum is 2,000"),
    ],
)
def test_a_bad_url_is_refused_with_a_remedy(url: str, says: str) -> None:
    with pytest.raises(BadTarget, match=says) as caught:
        checked(url, NOTHING)
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/services/T0/s3cret", "hooks.example.org/services/s3cret", "https:/hooks/s3cret",
        "https://hooks.example.org:99999/s3cret", "https://hooks.example.org/a b/s3cret", "https://[::1/s3cret",
        "https://hooks.example.org:0/?token=s3cret", "https://ann:s3cret@example.org/", "s3cret", "https://10.0.0.1/s3cret",
        "https://hooks.example.org\\s3cret/", "https://bücher.example/s3cret", "https://x/s3cret" + "x" * 2_000,
    ],
)  # fmt: skip
def test_a_refusal_shows_no_more_of_a_url_than_its_host(url: str) -> None:
    with pytest.raises(BadTarget) as caught:
        checked(url, NOTHING)
    assert "s3cret" not in str(caught.value) + caught.value.hint


def test_what_a_server_quotes_of_a_url_is_left_out() -> None:
    url = "https://example.org/services/T0123456/abc%2Fdefghij?key=0123456789"
    for quoted in (
        "/services/T0123456/abc%2Fdefghij?key=0123456789",
        "/services/T0123456/abc/defghij",
        "key 0123456789",
        "T0123456!",
    ):
        shown = without_secrets(f"Cannot POST {quoted} here.", url)
        assert shown.startswith("Cannot POST ")
        assert shown.endswith(" here.")
        assert not any(each in shown for each in ("T0123456", "defghij", "0123456789"))
    assert without_secrets("n/a: no such hook", "https://example.org/a/hook") == "n/a: no such hook"


def test_the_parts_of_a_url() -> None:
    target = checked("https://Example.org/a/b?c=d#e", NOTHING)
    assert (target.https, target.host, target.port, target.path) == (True, "example.org", 443, "/a/b?c=d")
    target = checked("http://[fd00::5]:8080", Allowed(("fd00::/8",)))
    assert (target.https, target.host, target.port, target.path) == (False, "fd00::5", 8080, "/")


def test_a_name_is_judged_by_its_addresses() -> None:
    target = checked("https://example.org/", NOTHING)
    inside, outside = ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("93.184.216.34")
    assert callable_addresses(target, [inside, outside], NOTHING) == [outside]
    with pytest.raises(BadTarget, match=r"example\.org has no public address \(10\.0\.0\.1\)"):
        callable_addresses(target, [inside], NOTHING)
    assert callable_addresses(target, [inside], Allowed(("10.0.0.0/24",))) == [inside]
    assert callable_addresses(target, [inside], Allowed(("example.org",))) == [inside]
    with pytest.raises(BadTarget):
        callable_addresses(target, [inside], Allowed(("10.0.1.0/24", "example.com", "*.example.org")))


def test_what_is_allowed_may_be_called_by_http() -> None:
    allowed = Allowed(("*.corp.example", "10.0.0.0/8"))
    assert checked("http://ci.corp.example/hook", allowed).host == "ci.corp.example"
    assert checked("http://10.2.3.4/hook", allowed).host == "10.2.3.4"
    public = ipaddress.ip_address("93.184.216.34")
    with pytest.raises(BadTarget, match="is not encrypted"):
        callable_addresses(checked("http://example.org/", allowed), [public], allowed)
    with pytest.raises(BadTarget, match="is not encrypted"):
        checked("http://93.184.216.34/", allowed)


def test_an_allowed_network_counts_for_what_stands_for_it() -> None:
    allowed = Allowed(("10.0.0.0/8",))
    mapped = ipaddress.ip_address("::ffff:10.0.0.1")
    assert callable_addresses(checked("https://example.org/", allowed), [mapped], allowed) == [mapped]
