"""Random walks over the product graph: first-order and node2vec, compiled with Numba.

Belongs here: settings, alias tables, the walk kernels and the two functions that run them over a range of nodes.
Does not belong here: building the graph or its transition matrix (``core.graph``), storing walks
(``core.store``), learning from them (``core.models``). Importing the package does not import Numba.
"""

from core.walks.config import Node2VecConfig, WalksConfig
from core.walks.run import node2vec_walks, random_walks, walk_starts

__all__ = ["Node2VecConfig", "WalksConfig", "node2vec_walks", "random_walks", "walk_starts"]
