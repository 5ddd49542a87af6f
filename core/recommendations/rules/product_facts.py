"""What the rules look at: the products' brands, categories, prices, variants and popularity, as arrays."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from core.models.product_fields import brands, categories
from core.pairs import ProductPairs
from core.recommendations.rules.book import Rules, plain_name

_BETWEEN_WORDS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class ProductFacts:
    """The products of a category.

    Attributes:
        products: table with ``core.pairs.PRODUCT_COLUMNS``; row i describes node i.
        brand: int32 ``[n]``: number of the brand, -1 without one.
        brand_names: lower-case name → number.
        of_category: bool-like CSR ``[n, number of categories]``, the categories of each product, of which those with
            the fewest products come first.
        category_names: lower-case name → number.
        price: float32 ``[n]``; NaN where it is unknown or not above 0.
        variant: int32 ``[n]``: equal for variants of one product.
        popularity: float64 ``[n]``.
        by_popularity: int32 ``[n]``: the nodes from the most to the least popular; among equals the smaller node first.
    """

    products: pa.Table
    brand: np.ndarray
    brand_names: dict[str, int]
    of_category: sp.csr_matrix
    category_names: dict[str, int]
    price: np.ndarray
    variant: np.ndarray
    popularity: np.ndarray
    by_popularity: np.ndarray

    def __len__(self) -> int:
        return len(self.brand)

    @cached_property
    def described(self) -> sp.csr_matrix:
        """Brand and categories as rows of unit length, whose inner product is the similarity of two products."""
        from core.models.content_knn.similarity import features  # Numba comes with it

        return features(self.products)

    def allowed(self, rules: Rules) -> np.ndarray:
        """bool ``[n]``: the products whose brand and categories these rules allow in lists."""
        kept = np.ones(len(self), bool)
        for names, wanted in ((rules.allow_brands, True), (rules.forbid_brands, False)):
            if names:
                numbers = [self.brand_names.get(plain_name(name), -2) for name in names]
                kept &= np.isin(self.brand, numbers) == wanted
        for names, wanted in ((rules.allow_categories, True), (rules.forbid_categories, False)):
            if names:
                known = self.category_names
                numbers = [known[key] for key in map(plain_name, names) if key in known]
                marked = np.zeros(self.of_category.shape[1], np.int32)
                marked[numbers] = 1
                kept &= (self.of_category @ marked > 0) == wanted
        return kept

    def unknown_names(self, rules: Rules) -> list[str]:
        """The brands and categories of the rules that no product has, each led by its rule."""
        return [
            f"{rule} {name!r}"
            for rule, known in (
                ("allow_brands", self.brand_names), ("forbid_brands", self.brand_names),
                ("allow_categories", self.category_names), ("forbid_categories", self.category_names),
            )
            for name in getattr(rules, rule)
            if plain_name(name) not in known
        ]  # fmt: skip


def product_facts(products: pa.Table, popularity: np.ndarray, parent: pa.Array | None = None) -> ProductFacts:
    """The facts of a category's products.

    Args:
        products: table with ``core.pairs.PRODUCT_COLUMNS``; a column ``parent_id`` is used if there is one.
        popularity: ``[n]``.
        parent: string ``[n]``: parent ids from elsewhere, which win over the column; null where there is none.
    """
    encoded = brands(products)[1].dictionary_encode()
    of_category, category_names = _categories(products)
    price = products["price"].combine_chunks().to_numpy(zero_copy_only=False).astype(np.float32)
    popularity = np.asarray(popularity, np.float64)
    return ProductFacts(
        products=products,
        brand=encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32),
        brand_names={name: number for number, name in enumerate(encoded.dictionary.to_pylist())},
        of_category=of_category,
        category_names=category_names,
        price=np.where(np.isfinite(price) & (price > 0), price, np.float32("nan")).astype(np.float32),
        variant=_variants(products, parent),
        popularity=popularity,
        by_popularity=np.argsort(-popularity, kind="stable").astype(np.int32),
    )


def pair_popularity(pairs: ProductPairs) -> np.ndarray:
    """float64 ``[n]``: the weights of each product's pairs, added up."""
    both = np.concatenate([pairs.source, pairs.target])
    return np.bincount(both, np.concatenate([pairs.weight, pairs.weight]), pairs.products.num_rows)


def _categories(products: pa.Table) -> tuple[sp.csr_matrix, dict[str, int]]:
    owner, names = categories(products)
    encoded = pc.utf8_lower(pc.utf8_trim_whitespace(names)).dictionary_encode()
    present = encoded.is_valid().to_numpy(zero_copy_only=False)
    code = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)[present].astype(np.int64)
    owner, n_codes = owner[present].astype(np.int64), len(encoded.dictionary)
    keys = np.unique(owner * max(n_codes, 1) + code)
    owner, code = keys // max(n_codes, 1), keys % max(n_codes, 1)
    order = np.argsort(np.bincount(code, minlength=n_codes), kind="stable")
    number = np.empty(n_codes, np.int64)
    number[order] = np.arange(n_codes)
    matrix = sp.csr_matrix((np.ones(len(keys), np.int32), (owner, number[code])), (products.num_rows, n_codes))
    matrix.sort_indices()
    names_of = encoded.dictionary.to_pylist()
    return matrix, {name: int(number[at]) for at, name in enumerate(names_of)}


def _variants(products: pa.Table, parent: pa.Array | None) -> np.ndarray:
    """int32 ``[n]``: one number for the products of a parent, or else of a title; a number of its own otherwise."""
    n_nodes = products.num_rows
    key = pa.nulls(n_nodes, pa.string())
    if parent is not None:
        key = pc.coalesce(key, parent.cast(pa.string()))
    if "parent_id" in products.column_names:
        key = pc.coalesce(key, products["parent_id"].combine_chunks().cast(pa.string()))
    # A parent may be a product of its own, which is one of the variants too.
    ids = products["product_id"].combine_chunks().cast(pa.string())
    parents = pc.unique(key.drop_null())
    key = pc.coalesce(key, pc.if_else(pc.is_in(ids, value_set=parents), ids, pa.scalar(None, pa.string())))
    titles = products["title"].combine_chunks().cast(pa.string()).dictionary_encode()
    plain = pa.array([_plain_title(title) for title in titles.dictionary.to_pylist()], pa.string())
    title = plain.take(titles.indices)
    parent_code, title_code = (column.dictionary_encode().indices for column in (key, title))
    parents_known, titles_known = (code.is_valid().to_numpy(zero_copy_only=False) for code in (parent_code, title_code))
    group = np.arange(n_nodes, dtype=np.int64) + 2 * n_nodes
    group[titles_known] = n_nodes + title_code.fill_null(0).to_numpy(zero_copy_only=False)[titles_known]
    group[parents_known] = parent_code.fill_null(0).to_numpy(zero_copy_only=False)[parents_known]
    return np.unique(group, return_inverse=True)[1].astype(np.int32)


def _plain_title(title: str) -> str | None:
    """The words of a title without case, accents' spellings and punctuation; None if there are none."""
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", title).casefold()).strip() or None
