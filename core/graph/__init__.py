"""The product graph: its matrices, paths in it, and what it looks like as a whole."""

from core.graph.csr import VERSION, ProductGraph, build_graph, transition_matrix

__all__ = ["VERSION", "ProductGraph", "build_graph", "transition_matrix"]
