"""Docstrings name functions in the roles of reStructuredText; the documentation shows them as code.

A griffe extension that mkdocs.yml names. It turns ``:func:`~core.pairs.split.split_pairs``` into `` `split_pairs` ``.
"""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|data|attr|meth|mod|exc|const):`(~?)([^`]+)`")


class Roles(griffe.Extension):
    """Replaces the roles in every docstring."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for every object it has read."""
        if obj.docstring:
            obj.docstring.value = _ROLE.sub(_as_code, obj.docstring.value)


def _as_code(role: re.Match[str]) -> str:
    name = role[2]
    return f"`{name.rpartition('.')[2] if role[1] else name}`"
