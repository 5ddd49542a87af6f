"""How the models score: one small class per form of score behind the face ``core.interfaces.Scorer``.

Belongs here: scores of given pairs and exact top-k lists, from vectors or from sparse matrices. Does not
belong here: how vectors and matrices come about, what a metric makes of the scores (``core.evaluation``) and
approximate search (``core.neighbours``).

What a model without vectors leaves in ``Embeddings.matrices``, and the score it stands for:

``gram``
    one matrix B ``[n_nodes, r]``; S = B Bᵀ. One column (popularity) makes the score a product of two numbers.
``chain_0``, ``chain_1``, …
    square matrices; S = chain_0 · chain_1 · …. S need not be symmetric: a list for product i is row i of S,
    while a pair scores (S[i, j] + S[j, i]) / 2.
``pagerank``
    the weighted adjacency ``[n_nodes, n_nodes]`` of an undirected graph; S[i, j] is the personalized PageRank of j
    with restarts at i, approximated to ``damping`` and ``tolerance`` of ``info["config"]``. Lists and pairs as of a
    chain.

No entry may be negative: an entry of S is 0 if and only if no path of nonzero entries leads from i to j.

A model with vectors and no matrices scores natively by their inner product, center[i] · context[j] (center[j] if there
is no context). It sees to it that this is symmetric.

A source that the model has not seen gets an empty list.

S is never built: it has up to n_nodes² entries. A row is computed when it is asked for, in a dense
accumulator. The Numba kernels are serial and release the GIL; threads take blocks of fixed size, so that
results do not depend on the number of threads.
"""

from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, NATIVE, Embeddings, Model, Scorer
from core.scoring.chains import ChainScorer
from core.scoring.pagerank import PageRankScorer
from core.scoring.vectors import DotScorer, RankOneScorer, VectorScorer


def scorer(model: Model, embeddings: Embeddings, scoring: str, threads: int = 2) -> Scorer:
    """The scorer for one of the model's scorings.

    Raises:
        ValueError: the model does not score that way or its embeddings lack what the scoring needs.
    """
    if scoring not in model.scorings:
        raise ValueError(f"{model.name} scores by {', '.join(model.scorings)}, not by {scoring}")
    center, context, matrices = embeddings.center, embeddings.context, embeddings.matrices
    if embeddings.parts:
        from core.models.blend.scorer import BlendScorer  # built of the scorers of this module

        return BlendScorer(embeddings, threads)
    if scoring == CENTER_CENTER and center is not None:
        return VectorScorer(embeddings.seen, center, None, threads)
    if scoring == CENTER_CONTEXT and center is not None and context is not None:
        return VectorScorer(embeddings.seen, center, context, threads)
    if scoring == NATIVE and center is not None and not matrices:
        return DotScorer(embeddings.seen, center, context, threads)
    if scoring == NATIVE and "gram" in matrices:
        if matrices["gram"].shape[1] == 1:
            return RankOneScorer(embeddings.seen, matrices["gram"].toarray()[:, 0])
        gram = matrices["gram"]
        return ChainScorer(embeddings.seen, [gram, gram.T.tocsr()], True, threads)
    if scoring == NATIVE and "chain_0" in matrices:
        chain = [matrices[f"chain_{i}"] for i in range(sum(name.startswith("chain_") for name in matrices))]
        return ChainScorer(embeddings.seen, chain, False, threads)
    if scoring == NATIVE and "pagerank" in matrices:
        config = embeddings.info["config"]
        return PageRankScorer(embeddings.seen, matrices["pagerank"], config["damping"], config["tolerance"], threads)
    raise ValueError(f"the embeddings of {model.name} hold nothing that {scoring} could score by")
