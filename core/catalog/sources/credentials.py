"""User and password for a download over http or https."""

import base64
import netrc
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from core.errors import InputError

VARIABLE = "ALSOBOUGHT_HTTP_CREDENTIALS"
"""One or more ``https://user:password@host``, separated by white space: characters such as ``@``, ``/`` and space in a
user's name or password are percent-encoded, as in any URL. They are used for that scheme, host and port only."""
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a request goes; credentials of one origin are not for another."""

    scheme: str
    host: str
    port: int

    def is_upgrade_of(self, other: "Origin") -> bool:
        """Whether this is the same host by https on the usual ports, where servers send those who ask by http."""
        return self == Origin("https", other.host, 443) and other == Origin("http", other.host, 80)


def origin(url: str) -> Origin:
    """A URL's origin. Raises ValueError if the URL is broken."""
    parts = urlsplit(url)
    return Origin(parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme.lower()])


def without_user(url: str) -> str:
    """The URL without user info, as a request line wants it. Raises ValueError if it is broken."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def authorization(url: str) -> str | None:
    """The value of the header ``Authorization`` for a URL, or None if nobody named a user for its host.

    Raises:
        InputError: the variable or the netrc file cannot be read; the message names no secret.
        ValueError: the URL is broken.
    """
    parts = urlsplit(url)
    credentials = _user(parts) or _from_environment(origin(url)) or _from_netrc(origin(url).host)
    if credentials is None:
        return None
    user, password = credentials
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _user(parts: SplitResult) -> tuple[str, str] | None:
    if not parts.username and not parts.password:
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def _from_environment(wanted: Origin) -> tuple[str, str] | None:
    for number, entry in enumerate(os.environ.get(VARIABLE, "").split(), 1):
        try:
            entry_origin, user = origin(entry), _user(urlsplit(entry))
        except (KeyError, ValueError):
            user = None
        if user is None:
            raise InputError(
                f"{VARIABLE}: entry {number} is not of the form https://user:password@host; signs other than letters "
                "and digits in user and password are percent-encoded"
            ) from None
        if entry_origin == wanted:
            return user
    return None


def _from_netrc(host: str) -> tuple[str, str] | None:
    """Only an entry with the host's own name counts: ``default`` would go to any host."""
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        # The default file is opened without a name, which has netrc look at who else may read it.
        entries = netrc.netrc(str(path) if os.environ.get("NETRC") else None)
    except FileNotFoundError:
        return None
    except netrc.NetrcParseError as error:
        place = f" (line {error.lineno})" if error.lineno else ""
        mode = "; it must be readable by its owner only (chmod 600)" if "permissive" in str(error.msg) else ""
        raise InputError(f"{path}: is not a usable netrc file{place}{mode}") from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})") from None
    entry = {name.lower(): entry for name, entry in entries.hosts.items()}.get(host)
    return (entry[0] or "", entry[2] or "") if entry else None
