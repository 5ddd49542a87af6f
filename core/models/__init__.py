"""The registry: one entry per model, and nothing else.

Adding a model means writing its file beside this one and adding its entry here; assets, metrics, neighbours and
the explorer follow. Entries hold import paths, not functions, so that this module stays light.
"""

from core.models.base import CENTER_CENTER, CENTER_CONTEXT, NATIVE, Model

_ENTRIES = (
    Model(
        name="popularity",
        description="Product of the two degrees: what popularity alone achieves, the floor for every model.",
        train="core.models.baselines:train_popularity",
        config="core.models.baselines:PopularityConfig",
        inputs=("graph",),
        scorings=(NATIVE,),
        fallback="own",
        kinds=("scipy",),
    ),
    Model(
        name="adamic_adar",
        description="Common neighbours, each counted 1 / log(degree) (Adamic and Adar, 2003).",
        train="core.models.baselines:train_adamic_adar",
        config="core.models.baselines:AdamicAdarConfig",
        inputs=("graph",),
        scorings=(NATIVE,),
        fallback="own",
        kinds=("scipy",),
    ),
    Model(
        name="rp3beta",
        description="Three steps of a random walk, popular targets held back (RP3beta; Paudel et al., 2016).",
        train="core.models.rp3beta:train",
        config="core.models.rp3beta:RP3BetaConfig",
        inputs=("graph",),
        scorings=(NATIVE,),
        kinds=("scipy",),
    ),
    Model(
        name="personalized_pagerank",
        description="Where a walk that restarts at a product spends its time (personalized PageRank).",
        train="core.models.pagerank:train",
        config="core.models.pagerank:PageRankConfig",
        inputs=("graph",),
        scorings=(NATIVE,),
        kinds=("numba",),
    ),
    Model(
        name="cooccurrence",
        description="Cosine of how often two products stand near each other on the walks, without any learning.",
        train="core.models.cooccurrence:train",
        config="core.models.cooccurrence:CooccurrenceConfig",
        inputs=("walks",),
        scorings=(NATIVE,),
        kinds=("numba",),
    ),
    Model(
        name="content_knn",
        description="What products of the same brand and categories go with; places products that have no pair yet.",
        train="core.models.content_knn:train",
        config="core.models.content_knn:ContentConfig",
        inputs=("products", "graph"),
        scorings=(NATIVE,),
        fallback="own",
        kinds=("numba",),
    ),
    Model(
        name="gensim_word2vec",
        description="word2vec on the walks with gensim, CBOW as in the article.",
        train="core.models.gensim_word2vec:train",
        config="core.models.gensim_word2vec:GensimConfig",
        inputs=("walks",),
        scorings=(CENTER_CENTER, CENTER_CONTEXT),
        learns=True,
        kinds=("gensim",),
    ),
    Model(
        name="skipgram",
        description="Skip-gram with negative sampling on the walks, in PyTorch.",
        train="core.models.skipgram:train",
        config="core.models.skipgram:SkipGramConfig",
        inputs=("walks",),
        scorings=(CENTER_CONTEXT, CENTER_CENTER),
        gpu=True,
        learns=True,
        kinds=("pytorch",),
    ),
    Model(
        name="skipgram_side_info_mean",
        description="Skip-gram in which a product is the mean of its own, brand, category and price band vectors.",
        train="core.models.side_info:train_mean",
        config="core.models.side_info:SideInfoConfig",
        inputs=("walks", "products"),
        scorings=(CENTER_CONTEXT, CENTER_CENTER),
        gpu=True,
        learns=True,
        kinds=("pytorch",),
    ),
    Model(
        name="skipgram_side_info_weighted",
        description="The same with learned weights for every product (EGES; Wang et al., 2018).",
        train="core.models.side_info:train_weighted",
        config="core.models.side_info:WeightedSideInfoConfig",
        inputs=("walks", "products"),
        scorings=(CENTER_CONTEXT, CENTER_CENTER),
        gpu=True,
        learns=True,
        kinds=("pytorch",),
    ),
    Model(
        name="node2vec",
        description="The same skip-gram on second-order walks that tend to stay near (node2vec).",
        train="core.models.skipgram:train_node2vec",
        config="core.models.skipgram:SkipGramConfig",
        inputs=("node2vec_walks",),
        scorings=(CENTER_CONTEXT, CENTER_CENTER),
        gpu=True,
        learns=True,
        kinds=("pytorch",),
    ),
)

MODELS: dict[str, Model] = {model.name: model for model in _ENTRIES}
"""All models by name, in the order in which they are shown."""
