"""The science of the recommender: plain functions over arrays and tables.

What belongs here: reading catalogues, pairs, graph, walks, models, evaluation, neighbours and the store that
says where each artefact lives. What does not: anything that knows of Dagster, Streamlit, partitions or printing.
"""

from typing import TYPE_CHECKING, Any

from core.kernel_cache import choose_folder

if TYPE_CHECKING:
    from core.recommender import Recommender

__all__ = ["Recommender"]

choose_folder()


def __getattr__(name: str) -> Any:
    """``core.Recommender`` is imported when it is first asked for: every other import of core stays light."""
    if name == "Recommender":
        from core.recommender import Recommender

        return Recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
