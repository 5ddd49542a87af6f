"""Names of hosts as the ``Host`` header spells them, and those that the servers of this machine answer to."""

import ipaddress
import re
from typing import NamedTuple

from core.errors import InputError

VARIABLE = "ALSOBOUGHT_HOSTS"
"""Environment variable with the servers' host names besides localhost, separated by commas, e.g. those of a proxy."""
LOCAL = ("localhost", "127.0.0.1", "[::1]")

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")


class Authority(NamedTuple):
    """A host's name in lower case, with IPv6 addresses in brackets, and its port if there is one."""

    name: str
    port: int | None


def hosts(listed: str) -> list[str]:
    """The names in a value of :data:`VARIABLE`.

    Raises:
        InputError: an entry is not a host name.
    """
    names = [entry.strip() for entry in listed.split(",") if entry.strip()]
    for name in names:
        if authority(name) is None:
            raise InputError(
                f"{VARIABLE}: {name!r} is not a host name; write it without scheme and path, e.g. dagster.example.com"
            )
    return names


def authority(text: str) -> Authority | None:
    """The name and port that a text spells; None if it is not a host name."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    name, port = match[1].lower(), int(match[2]) if match[2] else None
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
        except ValueError:
            return None
    return Authority(name, port)
