"""The address of a server, which stands in an environment variable and is never shown with its password."""

import os
from collections.abc import Iterable
from urllib.parse import unquote

from core.errors import InputError
from core.untrusted.urls import password_of, scrubbed, shown


class Address:
    """The URL in an environment variable.

    Args:
        place: name of the place, for messages.
        category: whose lists.
        variable: name of the variable.
        schemes: how the URL may start.

    Raises:
        InputError: the variable is not set, or it does not hold such a URL. The value is not shown.
    """

    def __init__(self, place: str, category: str, variable: str, schemes: Iterable[str]) -> None:
        self._what = f"{place} of {category}"
        self.url = os.environ.get(variable, "").strip()
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        if not self.url:
            raise InputError(
                f"{self._what}: the environment variable {variable} is not set; set it to the URL of the server, which "
                f"starts with {known}"
            )
        if not self.url.startswith(tuple(f"{scheme}://" for scheme in schemes)) or "…" in shown(self.url):
            raise InputError(
                f"{self._what}: the environment variable {variable} does not hold a URL that starts with {known}, or "
                "its password has characters that must be percent-encoded, such as '/' or '@'"
            )
        self.shown = shown(self.url)

    def error(self, error: BaseException) -> InputError:
        """What the server or its library says, in a sentence without secrets."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        text = scrubbed("; ".join(lines[:2]), self.url)
        for password in {password_of(self.url), unquote(password_of(self.url))}:
            text = text.replace(password, "…") if password else text
        return InputError(
            f"{self._what}: {self.shown} cannot be used ({text[:400]}); what was delivered there before stays current"
        )
