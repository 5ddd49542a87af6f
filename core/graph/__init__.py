"""The product graph: its matrices, its paths and its statistics."""

from core.graph.csr import VERSION, ProductGraph, build_graph, transition_matrix

__all__ = ["VERSION", "ProductGraph", "build_graph", "transition_matrix"]
