"""The one error a user can act on."""

from core.untrusted.urls import scrubbed


class InputError(ValueError):
    """Input or configuration that cannot be used; the message names the place (file, line, setting) and the remedy.

    URLs in the message are shown without what may be secret, wherever its parts come from. The cause of an error is
    logged too: what is raised from an exception that may name a secret says ``from None``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(scrubbed(message))
