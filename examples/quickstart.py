"""From two tables to lists of products, in a few lines of Python: ``python examples/quickstart.py``.

The tables are synthetic; replace them by your own. A table is a pandas or polars DataFrame, a pyarrow Table, or the
path of a CSV or Parquet file.
"""

import tempfile

from core import Recommender
from core.sample import sample_catalog

# The two tables of a shop: pairs of products that are listed together, and the products themselves.
catalog = sample_catalog(products=500, pairs_per_product=8)
pairs = catalog.relationships.select(["product1", "product2", "relationship"]).to_pandas()
products = catalog.products.to_pandas()

# The default model is the blend, the best and slowest one. The settings are those of the launchpad; this catalogue is
# small, while the defaults suit catalogues of a real size.
recommender = Recommender.fit(pairs, products, model="skipgram", dim=32, epochs=5)
print(recommender)

# Products that go with a product, and products that are like it.
chosen = products["product_id"][0]
titles = recommender.products.set_index("product_id")["title"]
print(f"\n{chosen}: {titles[chosen]}")
goes_with, similar = recommender.goes_with(chosen, k=5), recommender.similar(chosen, k=5)
for answer, lists in (("goes with", goes_with), ("is like", similar)):
    print(f"\n{answer}\n{lists.assign(title=lists['neighbour'].map(titles)).to_string(index=False)}")

# The quality of the model, which is trained again without the pairs on which it is measured.
metrics = recommender.evaluate(bootstrap=0)
shown = metrics[metrics["metric"].isin(["roc_auc", "recall@10", "ndcg@10", "coverage@10"])]
print(f"\n{shown[['protocol', 'subset', 'scoring', 'metric', 'value']].to_string(index=False)}")

# A saved recommender loads quickly, and so does a model of a category that the pipeline materialized.
with tempfile.TemporaryDirectory() as folder:
    recommender.save(folder)
    again = Recommender.load(folder)
    print(f"\nloaded: {again}; score of a pair: {again.score([(chosen, goes_with['neighbour'][0])])[0]:.3f}")
