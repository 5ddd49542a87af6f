"""The way a person came: the products opened one after the other."""

from collections.abc import Sequence

MAX_CRUMBS = 8


def extend_trail(trail: Sequence[str], product_id: str) -> tuple[str, ...]:
    """The trail after opening a product: longer by it, or cut back to it if it was on the way already.

    Cutting back is what a click on a crumb, the browser's back button and a circle have in common; the oldest
    products are forgotten beyond :data:`LONGEST`.
    """
    if product_id in trail:
        return tuple(trail[: list(trail).index(product_id) + 1])
    return (*trail, product_id)[-MAX_CRUMBS:]
