"""Which addresses a callback may go to: public ones, and those that the server's own files allow.

Asked when a batch is submitted, with the URL alone, and before each try, with every address that the name has then. A user must not
reach through the server what only the server can reach: its own machine, its network, the metadata service of its cloud.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, unquote, urlsplit

from herder.model.values.addresses import shown_origin

Address = IPv4Address | IPv6Address

URL_LENGTH = 2_000
#: IPv6 addresses behind which a gateway of the network reaches the IPv4 address in their last 32 bits (RFC 6052, RFC 8215).
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


class BadTarget(ValueError):
    """A URL that is not called; the text is a sentence, with no more of the URL than its scheme and host. `hint`: what to do."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in parts. `host` is in small letters, an IPv6 address without brackets."""

    https: bool
    host: str
    port: int
    path: str


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet may have it. What stands for another address is as public as that."""
    if isinstance(address, IPv6Address):
        inner = _inside(address)
        if inner is not None:
            return is_public(inner)
        if address in _SITE_LOCAL:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 == 0 and int(address) > 1:
        return IPv4Address(int(address) & 0xFFFFFFFF)  # the deprecated form ::10.0.0.1
    return None


class Allowed:
    """What the server's files allow beyond public addresses. Entries were checked when the files were read."""

    def __init__(self, entries: Sequence[str]) -> None:
        self.networks = [network for each in entries if (network := network_of(each)) is not None]
        self._hosts = [each.lower() for each in entries if network_of(each) is None]

    def host(self, host: str) -> bool:
        """By its name, whatever addresses it has."""
        return any(fnmatchcase(host, each) for each in self._hosts)

    def address(self, address: Address) -> bool:
        inner = _inside(address) if isinstance(address, IPv6Address) else None
        found = (address,) if inner is None else (address, inner)
        return any(each.version == net.version and each in net for each in found for net in self.networks)


def network_of(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """None: it is not a network."""
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def checked(url: str, allowed: Allowed) -> Target:
    """As far as the URL alone says. Raises BadTarget."""
    target = _target(url)
    literal = literal_of(target.host)
    known = allowed.host(target.host) or (literal is not None and allowed.address(literal))
    if known:
        return target
    if literal is not None and not is_public(literal):
        raise BadTarget(
            f"{literal} is not a public address.",
            "Name a public server, or ask an administrator to add the address to `callbacks.allow`.",
        )
    if not target.https and (literal is not None or not allowed.networks):
        raise BadTarget(f"{_shown(url)} is not encrypted.", _HTTPS)
    return target


#: Shorter pieces of a path or query are also words of a sentence.
_PIECE_LEAST, _PATH_LEAST = 8, 6


def without_secrets(text: str, url: str) -> str:
    """A text about a URL, such as the answer of its server, without what the path and the query of that URL have in it: a receiver may quote them."""
    try:
        path = _path(urlsplit(url))
    except ValueError:
        return text
    place = path.partition("?")[0]
    wholes = {path, unquote(path), place, unquote(place)}
    pieces = {piece for each in wholes for piece in re.split(r"[/?&=;#]", each)}
    hidden = {each for each in wholes if len(each) >= _PATH_LEAST}
    hidden |= {each for each in pieces if len(each) >= _PIECE_LEAST}
    for each in sorted(hidden, key=len, reverse=True):
        text = text.replace(each, "…")
    return text


def _shown(url: str) -> str:
    return repr(shown_origin(url)) if shown_origin(url) else "The text"


_HTTPS = "Write https://, or ask an administrator to add the host to `callbacks.allow`."
_EXAMPLE = "Write for example https://example.org/hook."


def _target(url: str) -> Target:
    if len(url) > URL_LENGTH:
        raise BadTarget(
            f"The URL has {len(url):,} characters; the maximum is {URL_LENGTH:,}.", "Use a shorter URL."
        )
    shown = _shown(url)
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").lower()
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        raise BadTarget(f"{shown} is not a URL.", _EXAMPLE) from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or not _plain(url):
        raise BadTarget(f"{shown} is not a URL of a web server.", _EXAMPLE)
    if secret:
        raise BadTarget(
            "The URL contains a user name or a password.",
            "Remove it, and check the signature of the message instead.",
        )
    https = parts.scheme == "https"
    return Target(https=https, host=host, port=port or (443 if https else 80), path=_path(parts))


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _plain(url: str) -> bool:
    """Printable ASCII without spaces, as a URL is sent."""
    return url.isascii() and url.isprintable() and not any(sign in url for sign in ' "<>\\^`{|}')


def literal_of(host: str) -> Address | None:
    """The address that a host name is, if it is one."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def callable_addresses(target: Target, addresses: Sequence[Address], allowed: Allowed) -> list[Address]:
    """Those of a name's addresses that may be called, in their order. Raises BadTarget when there are none."""
    if allowed.host(target.host):
        return list(addresses)
    permitted = [each for each in addresses if allowed.address(each)]
    if permitted:
        return permitted
    public = [each for each in addresses if is_public(each)]
    if not public:
        named = ", ".join(str(each) for each in addresses[:4])
        raise BadTarget(
            f"{target.host} has no public address ({named}).",
            "Ask an administrator to add the address to `callbacks.allow`.",
        )
    if not target.https:
        raise BadTarget(f"http://{target.host} is not encrypted.", _HTTPS)
    return public
