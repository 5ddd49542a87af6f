"""Which hosts are in the public internet, however they are spelled."""

import enum
import ipaddress
import re
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL_NAMES = (
    "localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa", "test",
    "invalid", "onion",
)  # fmt: skip
"""Ends of names that no public name server knows (RFC 6761, 6762, 8375, ICANN's `internal`, and what routers use)."""
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class Reach(enum.IntEnum):
    """How far an address reaches; whoever may reach one kind may also reach those before it."""

    PUBLIC = 0
    PRIVATE = 1
    """This machine or a private network."""
    LINK_LOCAL = 2
    """The same cable, where clouds keep their machines' credentials (169.254.169.254), and all reserved addresses."""


def reach(address: str | Address) -> Reach:
    """The reach of an IP address. IPv6 addresses that carry an IPv4 one count as that.

    Raises:
        ValueError: the text is not an IP address.
    """
    found = ipaddress.ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and (found in _TRANSLATED or (found.packed[:12] == bytes(12) and int(found) > 1)):
            inner = ipaddress.IPv4Address(found.packed[12:])
        if inner is not None:
            return reach(inner)
    if found.is_global and not found.is_multicast:
        return Reach.PUBLIC
    if found.is_link_local or found.is_multicast or (found.is_reserved and not found.is_loopback):
        return Reach.LINK_LOCAL
    return Reach.PRIVATE


def spelled_address(host: str) -> Address | None:
    """The address that a host is, in any of the spellings that browsers and resolvers take; None for a name.

    ``2130706433``, ``0x7f.1``, ``0177.0.0.1`` and ``127.1`` are all 127.0.0.1.
    """
    host = host.strip("[]").partition("%")[0].rstrip(".")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if not host.isascii() or not all(_NUMBER.fullmatch(part) for part in host.lower().split(".")):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_public(host: str) -> bool:
    """Whether a URL's host is a public address or may be a public name; a name is not looked up.

    Names without a dot, names that only private networks know and whatever a browser might take for something
    else (an address with a number too large, percent signs) are not public.
    """
    try:
        # As browsers do it: full-width digits and ideographic dots are made plain ones.
        plain = host if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        return False
    plain = plain.lower().removesuffix(".")
    address = spelled_address(plain)
    if address is not None:
        return reach(address) is Reach.PUBLIC
    if not _NAME.fullmatch(plain) or _NUMBER.fullmatch(plain.rpartition(".")[2]):
        return False
    return not any(plain == name or plain.endswith("." + name) for name in _LOCAL_NAMES)
