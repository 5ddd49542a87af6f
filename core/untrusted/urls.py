"""How addresses are shown: scheme, host and path, never what may be a secret.

Every :class:`core.errors.InputError` goes through here.
"""

import re
from urllib.parse import parse_qsl, unquote

_HIDDEN = "…"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:/{1,2}")
_NEXT = re.compile(rf"(?<!^)(?={_SCHEME.pattern})(?<![A-Za-z0-9+.-])")
_AUTHORITY = re.compile(r"(?:[^\s@:/\\\[\]]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_BLANKS = re.compile(r"(\s+)")
_PUNCTUATION = ".,:;!)}'\">"
_SHORTEST_SECRET = 4
"""Characters; shorter ones would take innocent parts of words out of a text."""


def shown(url: str) -> str:
    """The URL as scheme, host, port and path; a text that is not a URL (a local path) stays as it is.

    User info, query and fragment go, in every part of a chained URL (``zip://a.csv::https://…``). Where a password that
    was not percent-encoded leaves it open what is host and what is secret, only the scheme is shown.
    """
    first = _SCHEME.search(url)
    if first is None:
        return url
    address, tail = _cut(url[first.start() :])
    parts = _NEXT.split(address)
    for part in parts[:-1]:
        # No host has ended before the next scheme, so that may be a part of a password, as in "https://me:x:/y@host".
        scheme = _SCHEME.match(part)
        if scheme and "@" in address and "/" not in part[scheme.end() :] and not part.endswith("::"):
            return f"{url[: first.start()]}{first[0]}{_HIDDEN}"
    return url[: first.start()] + "".join(_without_user(part, tail) for part in parts)


def scrubbed(text: str, *urls: str) -> str:
    """The text with every URL in it as :func:`shown`.

    Args:
        text: for people, e.g. what a library raised.
        urls: addresses that the text may be about; their secrets are taken out also where they stand without a URL.
    """
    for url in urls:
        text = text.replace(url, shown(url))
    text = "".join(_shown_word(word) if ":/" in word else word for word in _BLANKS.split(text))
    for secret in sorted({secret for url in urls for secret in _secrets(url)}, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def password_of(url: str) -> str:
    """The password in a URL's user info, as it is written there; empty if there is none."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return ""
    user_info = _cut(url)[0][scheme.end() :].partition("/")[0].rpartition("@")[0]
    return user_info.partition(":")[2]


def _shown_word(word: str) -> str:
    address = word.rstrip(_PUNCTUATION)
    return shown(address) + word[len(address) :]


def _cut(url: str) -> tuple[str, str]:
    end = min((place for sign in "?#" if (place := url.find(sign)) >= 0), default=len(url))
    return url[:end], url[end:]


def _without_user(url: str, tail: str) -> str:
    scheme = _SCHEME.match(url)
    if scheme is None:
        return url
    rest = url[scheme.end() :]
    chain = "::" if rest.endswith("::") else ""
    authority, slash, path = rest.removesuffix("::").partition("/")
    host = authority.rpartition("@")[2]
    # By a "/", "?" or "#" in the password, or by slashes too many.
    torn = ("@" in path and (":" in host or not (host or scheme[0] == "file://"))) or ("@" in tail and not slash)
    if torn or not _AUTHORITY.fullmatch(host):
        return f"{scheme[0]}{_HIDDEN}{chain}"
    return f"{scheme[0]}{host}{slash}{path}{chain}"


def _secrets(url: str) -> set[str]:
    scheme = _SCHEME.search(url)
    if scheme is None:
        return set()
    address, tail = _cut(url[scheme.end() :])
    user_info = address.partition("/")[0].rpartition("@")[0]
    found = {user_info, user_info.partition(":")[2], tail[1:], *(value for _, value in parse_qsl(tail[1:]))}
    found |= {unquote(secret) for secret in found}
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}
