"""The one error a user can act on.

Belongs here: the exception type that means "your input or configuration is at fault". Does not belong here:
programming errors, which stay what Python raises.
"""


class InputError(ValueError):
    """Input or configuration that cannot be used; the message names the place (file, line, setting) and the remedy."""
