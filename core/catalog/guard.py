"""Refusing a source that shrank to nearly nothing.

A truncated export or an emptied table is well-formed, so that no reader objects to it; put in place of a whole category
it would take that category's recommendations away.
"""

from collections.abc import Mapping

from core.errors import InputError


def refuse_shrinking(
    category: str, now: Mapping[str, int], before: Mapping[str, int], min_share: float, from_rows: int
) -> None:
    """Raise InputError if something that was large before is nearly gone.

    Args:
        category: named in the error.
        now, before: rows by what they are (``products``, ``listings``); what is absent in ``before`` is not compared.
        min_share: smallest share of ``before`` that passes.
        from_rows: fewer rows before are not guarded: small categories change a lot.
    """
    for what, count in before.items():
        if count >= from_rows and now[what] < min_share * count:
            raise InputError(
                f"{category}: the source now holds {now[what]:,} {what}, {now[what] / count:.1%} of the {count:,} "
                f"before (allowed are {min_share:.0%}). Nothing was replaced. If the source is right, materialize with "
                f"guard.allow_shrink: true in the launchpad or in categories.yaml under {category}.settings; else "
                "restore the source"
            )
