"""Groups of the map."""

import numpy as np
import pyarrow as pa

from explorer.product_map import groups


def test_groups_of_a_map():
    paths = [["All", "Shoes", "Red"]] * 5 + [["All", "Hats"]] * 3 + [["All"]] + [[]] * 2 + [None]
    brands = ["X"] * 4 + [None] * 8
    products = pa.table({"categories": pa.array(paths, pa.list_(pa.string())), "brand": pa.array(brands, pa.string())})
    nodes = np.array([11, 0, 5, 8, 9])
    by_category = groups.group_products(products, np.arange(12), "category")
    assert by_category.names == ["Shoes", "Hats", groups.OTHER, groups.UNKNOWN] and by_category.sizes == [5, 3, 0, 4]
    part = groups.group_products(products, nodes, "category")
    assert [part.names[i] for i in part.of] == [groups.UNKNOWN, "Shoes", "Hats", groups.UNKNOWN, groups.UNKNOWN]
    brand = groups.group_products(products, nodes, "brand")
    assert [brand.names[i] for i in brand.of] == [groups.UNKNOWN, "X", *[groups.UNKNOWN] * 3]
    empty = groups.group_products(products.slice(8), np.arange(4), "brand")
    assert empty.names == [groups.OTHER, groups.UNKNOWN] and empty.sizes == [0, 4]


def test_many_brands_share_one_colour():
    brands = [f"b{i}" for i in range(20) for _ in range(20 - i)]
    products = pa.table({"brand": brands, "categories": pa.nulls(len(brands), pa.list_(pa.string()))})
    grouping = groups.group_products(products, np.arange(len(brands)), "brand")
    assert grouping.names == [f"b{i}" for i in range(groups.MAX_GROUPS)] + [groups.OTHER, groups.UNKNOWN]
    assert grouping.sizes[-2] == sum(20 - i for i in range(groups.MAX_GROUPS, 20)) and grouping.sizes[-1] == 0
