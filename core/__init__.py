"""The science of the recommender: plain functions over arrays and tables."""

from typing import TYPE_CHECKING, Any

from core.kernels.cache import choose_folder

if TYPE_CHECKING:
    from core.recommender import Recommender

__all__ = ["Recommender"]

choose_folder()


def __getattr__(name: str) -> Any:
    """Import ``Recommender`` when it is first used, so that every other import of core stays light."""
    if name == "Recommender":
        from core.recommender import Recommender

        return Recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
