"""Where artefacts are and in which format; atomic, with sums."""

from core.store.artefacts import Store

__all__ = ["Store"]
