"""Random walks over the product graph: first-order and node2vec, compiled with Numba.

Importing the package does not import Numba.
"""

from core.walks.config import Node2VecConfig, WalksConfig
from core.walks.run import node2vec_walks, random_walks, walk_starts

__all__ = ["Node2VecConfig", "WalksConfig", "node2vec_walks", "random_walks", "walk_starts"]
