"""The split: a partition without leakage, negatives that are negatives, and the distributions they promise."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.pairs import product_hashes
from core.pairs.split import Pairs, PairSplit, SplitConfig, in_sorted, split_pairs
from core.settings import build


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], list[bool]]:
    """Any simple graph of 2 to 14 nodes with at least one edge, complete ones included."""
    n = draw(st.integers(2, 14))
    every = [(i, j) for i in range(n) for j in range(i + 1, n)]
    pairs = draw(st.one_of(st.just(every), st.lists(st.sampled_from(every), min_size=1, unique=True)))
    return n, pairs, draw(st.lists(st.booleans(), min_size=n, max_size=n))


def arrays(split: PairSplit):
    """Every array of a split with its name, those of pairs included."""
    for field in dataclasses.fields(split):
        value = getattr(split, field.name)
        if isinstance(value, Pairs):
            yield from ((f"{field.name}.{part.name}", getattr(value, part.name)) for part in dataclasses.fields(value))
        elif field.name not in ("n_nodes", "orders"):
            yield field.name, value


def run(
    n: int,
    pairs: list[tuple[int, int]],
    has_metadata: list[bool],
    config: SplitConfig | None = None,
    seed: int = 42,
) -> PairSplit:
    source, target = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    weight = (source * 100 + target + 1).astype(np.float32)  # tells which pair it belongs to
    return split_pairs(n, source, target, weight, np.array(has_metadata), config or SplitConfig(), seed)


def as_set(source: np.ndarray, target: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(source.tolist(), target.tolist(), strict=True))


def random_graph(n: int, m: int, seed: int = 0, skew: float = 2.5) -> list[tuple[int, int]]:
    """About m pairs, some products far more popular than others."""
    rng = np.random.default_rng(seed)
    ends = np.minimum((n * rng.random((2, m)) ** skew).astype(int), n - 1)
    low, high = ends.min(axis=0), ends.max(axis=0)
    return sorted({(int(a), int(b)) for a, b in zip(low, high, strict=True) if a != b})


@settings(max_examples=150, deadline=None)
@given(
    graphs(),
    st.floats(0.05, 0.5),
    st.floats(0.0, 0.5),
    st.integers(0, 5),
)
def test_split_is_a_partition_without_leakage(graph, validation_share, cold_share, seed):
    n, pairs, has_metadata = graph
    split = run(n, pairs, has_metadata, SplitConfig(validation_share, cold_share), seed)
    everything = set(pairs)
    train = as_set(split.train.source, split.train.target)
    valid = as_set(split.validation.source, split.validation.target)
    cold_nodes = set(split.cold.tolist())
    cold = {(min(p), max(p)) for p in as_set(split.cold_pairs.source, split.cold_pairs.target)}

    warm_pairs = {p for p in everything if not cold_nodes & set(p)}
    assert train | valid == warm_pairs
    assert not train & valid
    assert len(split.train.source) + len(split.validation.source) == len(warm_pairs)
    assert np.array_equal(split.train.weight, split.train.source * 100 + split.train.target + 1)

    in_train = {node for pair in train for node in pair}
    assert cold == {p for p in everything if len(cold_nodes & set(p)) == 1 and in_train & set(p)}
    assert set(split.cold_pairs.source.tolist()) <= cold_nodes
    assert set(split.cold_pairs.target.tolist()) <= in_train
    assert all(has_metadata[node] for node in cold_nodes)
    assert len(warm_pairs) >= len(pairs) / 2
    assert train

    # Negatives are no pairs, whatever part of the split those are in.
    products = {node for pair in valid for node in pair}
    free = {(i, j) for i in products for j in products if i < j} - everything
    published = as_set(split.uniform_negatives.source, split.uniform_negatives.target)
    assert published <= free
    assert len(published) == len(split.uniform_negatives.source) == min(len(valid), len(free))
    assert as_set(split.degree_matched_negatives.source, split.degree_matched_negatives.target) <= free
    assert len(split.degree_matched_negatives.source) <= len(valid)
    assert not free or len(split.degree_matched_negatives.source) == len(valid)
    for targets, pool in (
        (split.cold_degree_matched, set(split.cold_pairs.target.tolist())),
        (split.cold_uniform, in_train),
    ):
        assert len(targets) == len(split.cold_pairs.source)
        for source, target in zip(split.cold_pairs.source.tolist(), targets.tolist(), strict=True):
            partners = {a + b - source for a, b in everything if source in (a, b)}
            if target == -1:
                assert len(partners & pool) / len(pool) > 0.5  # 100 draws in vain: hardly a target was left
            else:
                assert target in pool - partners


@settings(max_examples=30, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_order_and_direction_of_the_pairs_do_not_matter(graph, random):
    n, pairs, has_metadata = graph
    shuffled = [(b, a) if random.random() < 0.5 else (a, b) for a, b in random.sample(pairs, len(pairs))]
    source, target = np.array(shuffled).T
    weight = (np.minimum(source, target) * 100 + np.maximum(source, target) + 1).astype(np.float32)
    a = run(n, pairs, has_metadata)
    b = split_pairs(n, source, target, weight, np.array(has_metadata), SplitConfig())
    for (name, left), (_, right) in zip(arrays(a), arrays(b), strict=True):
        assert np.array_equal(left, right), name


def test_shares_dtypes_and_seed():
    pairs = random_graph(400, 6000)
    has_metadata = [i % 2 == 0 for i in range(400)]
    split = run(400, pairs, has_metadata, SplitConfig(0.25, 0.1))
    warm = len(split.train.source) + len(split.validation.source)
    assert abs(len(split.validation.source) - 0.25 * warm) < 4 * np.sqrt(0.25 * 0.75 * warm)
    for name, array in arrays(split):
        if name not in ("train.weight", "keys"):
            assert array.dtype == np.int32, name
    assert split.train.weight.dtype == np.float32 and split.keys.dtype == np.uint64
    other = run(400, pairs, has_metadata, SplitConfig(0.25, 0.1), seed=43)
    assert as_set(split.validation.source, split.validation.target) != as_set(
        other.validation.source, other.validation.target
    )


def test_shares_are_kept_as_chance_keeps_them():
    """Over many seeds: the means are the shares, and the numbers scatter like coin tosses, no more and no less."""
    pairs = random_graph(300, 2500, skew=1.0)
    cold, valid = [], []
    for seed in range(300):
        split = run(300, pairs, [True] * 300, SplitConfig(0.3, 0.1), seed)
        cold.append(len(split.cold))
        warm = len(split.train.source) + len(split.validation.source)
        valid.append((len(split.validation.source) - 0.3 * warm) / np.sqrt(0.3 * 0.7 * warm))
    paired = len({node for pair in pairs for node in pair})
    assert np.mean(cold) / paired == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / paired / 300))
    assert np.var(cold) == pytest.approx(0.09 * paired, rel=0.35)
    assert abs(np.mean(valid)) < 4 / np.sqrt(300) and np.var(valid) == pytest.approx(1, rel=0.35)


def test_the_pairs_of_a_product_fall_on_both_sides_independently():
    """A hub's pairs are held out like any others: variance between products is that of coin tosses."""
    pairs = [(i, j) for i in range(40) for j in range(40, 640)]
    split = run(640, pairs, [False] * 640, SplitConfig(0.3))
    held = np.bincount(split.validation.source, minlength=40)[:40]
    chi_square = ((held - 180) ** 2 / (600 * 0.3 * 0.7)).sum()
    assert 15 < chi_square < 75  # 40 degrees of freedom: 0.02 % and 99.94 %


@st.composite
def growing_catalogues(draw: st.DrawFn) -> tuple[dict, dict]:
    """Two states of a catalogue, {(product id, product id): weight} each; either may have what the other lacks."""
    products = [f"P{draw(st.integers(0, 10**6))}-{i}" for i in range(60)]
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    states = []
    for left_out in rng.random((2, 60)) < draw(st.floats(0, 0.3)):
        known = [p for p, out in zip(products, left_out, strict=True) if not out]
        ends = rng.choice(len(known), (2, 500))
        states.append({tuple(sorted((known[a], known[b]))) for a, b in ends.T if a != b})
    before, after = states
    return before, after | {pair for pair in before if rng.random() < 0.9}


def split_by_id(
    pairs: set[tuple[str, str]], has_metadata: set[str], config: SplitConfig
) -> tuple[PairSplit, dict[str, set]]:
    """The split of pairs of product ids, numbered as ``core.pairs`` does, and the pairs of each side as ids."""
    ids = sorted({product for pair in pairs for product in pair})
    node = {product: i for i, product in enumerate(ids)}
    source, target = np.array([(node[a], node[b]) for a, b in pairs], dtype=np.int32).T
    split = split_pairs(
        len(ids), source, target, np.ones(len(source), np.float32),
        np.array([product in has_metadata for product in ids]), config,
        hashes=product_hashes(pa.table({"product_id": ids})),
    )  # fmt: skip
    sides = {
        side: {tuple(sorted((ids[a], ids[b]))) for a, b in zip(pairs_of_side.source, pairs_of_side.target, strict=True)}
        for side, pairs_of_side in (("train", split.train), ("valid", split.validation), ("cold", split.cold_pairs))
    }
    return split, sides | {"cold products": {ids[i] for i in split.cold}}


@settings(max_examples=40, deadline=None)
@given(growing_catalogues(), st.floats(0.1, 0.4), st.floats(0.0, 0.15))
def test_a_pair_keeps_its_side_when_others_come_and_go(catalogues, validation_share, cold_share):
    """What a model was trained on never judges the model that starts from it, and the other way round."""
    before, after = catalogues
    has_metadata = {product for pair in before | after for product in pair if len(product) % 2}
    config = SplitConfig(validation_share, cold_share)
    old_split, old = split_by_id(before, has_metadata, config)
    new_split, new = split_by_id(after, has_metadata, config)
    assert not old["train"] & (new["valid"] | new["cold"])
    assert not new["train"] & (old["valid"] | old["cold"])
    common = before & after
    for side in ("train", "valid"):
        assert old[side] & common == new[side] & common and old[side] & common
    known = {product for pair in before for product in pair} & {product for pair in after for product in pair}
    assert old["cold products"] & known == new["cold products"] & known
    # Keys tell products apart and again, though their numbers differ.
    ids = [sorted({product for pair in pairs for product in pair}) for pairs in (before, after)]
    keys = [dict(zip(i, s.keys.tolist(), strict=True)) for i, s in zip(ids, (old_split, new_split), strict=True)]
    assert all(keys[0][product] == keys[1][product] for product in known)
    assert len(set(keys[0].values()) | set(keys[1].values())) == len(set(ids[0]) | set(ids[1]))


def test_keys_are_those_of_one_seed_and_one_pair_of_shares():
    pairs = random_graph(50, 200)
    first = run(50, pairs, [True] * 50, SplitConfig(0.3, 0.1), 1).keys
    assert (first == run(50, pairs[:40], [False] * 50, SplitConfig(0.3, 0.1), 1).keys).all()
    for config, seed in ((SplitConfig(0.3, 0.1), 2), (SplitConfig(0.31, 0.1), 1), (SplitConfig(0.3, 0.11), 1)):
        assert not np.isin(first, run(50, pairs, [True] * 50, config, seed).keys).any()


def test_a_larger_share_holds_out_the_same_pairs_and_more():
    pairs = random_graph(200, 1000)
    held = [run(200, pairs, [False] * 200, SplitConfig(share)) for share in (0.1, 0.3, 0.5)]
    sides = [as_set(split.validation.source, split.validation.target) for split in held]
    assert sides[0] < sides[1] < sides[2]


def test_product_hashes_are_of_the_id_alone_and_the_same_for_ever():
    ids = ["0000031852", "B00005N7P0", "ä/ß", "", "0000031852 "]
    hashes = product_hashes(pa.table({"product_id": ids}))
    assert hashes.dtype == np.uint64 and len(set(hashes.tolist())) == 5
    assert (product_hashes(pa.table({"product_id": ids[::-1]}))[::-1] == hashes).all()
    assert hashes[:2].tolist() == [
        18253212420923579612,
        4228603288061029032,
    ]  # stored keys are compared with those of later versions


def test_without_cold_share_nothing_is_cold():
    split = run(400, random_graph(400, 3000), [True] * 400, SplitConfig(cold_share=0.0))
    assert len(split.cold) == len(split.cold_pairs.source) == len(split.cold_degree_matched) == 0


def test_cold_share_does_not_move_the_other_draws():
    """The validation pairs come from their own random stream: with nothing cold they follow from the seed alone."""
    pairs = random_graph(100, 500)
    no_metadata = run(100, pairs, [False] * 100, SplitConfig(cold_share=0.5))
    no_share = run(100, pairs, [True] * 100, SplitConfig(cold_share=0.0))
    assert np.array_equal(no_metadata.validation.source, no_share.validation.source)
    assert np.array_equal(no_metadata.degree_matched_negatives.target, no_share.degree_matched_negatives.target)


def test_a_hub_is_not_made_cold():
    star = [(0, i) for i in range(1, 30)]
    for seed in range(10):
        split = run(30, star, [True] + [False] * 29, SplitConfig(cold_share=0.5), seed)
        assert len(split.cold) == 0
        assert len(split.train.source) + len(split.validation.source) == 29


@pytest.mark.slow
def test_uniform_negatives_are_uniform():
    """Every free pair of validation products equally often, in the dense branch and the rejection branch."""
    # Dense: 6 products, all of them always in validation pairs of a fixed graph.
    for n, m, repeats in ((8, 14, 3000), (40, 60, 800)):
        pairs = random_graph(n, m, seed=3)
        drawn = np.zeros((n, n))
        expected = np.zeros((n, n))
        for seed in range(repeats):
            split = run(n, pairs, [False] * n, SplitConfig(validation_share=0.5), seed)
            products = np.union1d(split.validation.source, split.validation.target)
            free = np.zeros((n, n))
            free[np.ix_(products, products)] = 1
            free = np.triu(free, 1)
            for a, b in pairs:
                free[a, b] = 0
            if free.sum():
                expected += free * len(split.uniform_negatives.source) / free.sum()
            drawn[split.uniform_negatives.source, split.uniform_negatives.target] += 1
        cells = expected > 20
        chi_square = ((drawn[cells] - expected[cells]) ** 2 / expected[cells]).sum()
        degrees = cells.sum()
        assert chi_square < degrees + 5 * np.sqrt(2 * degrees)


def test_matched_negatives_have_the_degrees_of_the_positives():
    # A sparse graph: where most hubs are joined to each other, hardly any negative between hubs exists.
    pairs = random_graph(20_000, 60_000, skew=1.8)
    split = run(20_000, pairs, [False] * 20_000)
    degree = np.bincount(np.array(pairs).ravel(), minlength=20_000)

    def mean_degree(source: np.ndarray, target: np.ndarray) -> float:
        return float(np.concatenate([degree[source], degree[target]]).mean())

    positive = mean_degree(split.validation.source, split.validation.target)
    assert mean_degree(split.degree_matched_negatives.source, split.degree_matched_negatives.target) == pytest.approx(
        positive, rel=0.05
    )
    assert mean_degree(split.uniform_negatives.source, split.uniform_negatives.target) < 0.6 * positive


def test_cold_negatives_follow_their_distributions():
    n = 20_000
    pairs = random_graph(n, 60_000, skew=1.8)
    split = run(n, pairs, [True] * n, SplitConfig(cold_share=0.2))
    degree = np.bincount(np.array(pairs).ravel(), minlength=n)
    positive = degree[split.cold_pairs.target].mean()
    everyone = degree[np.union1d(split.train.source, split.train.target)].mean()
    assert degree[split.cold_degree_matched].mean() == pytest.approx(positive, rel=0.05)
    assert degree[split.cold_uniform].mean() == pytest.approx(everyone, rel=0.05)
    assert everyone < 0.7 * positive


@pytest.mark.parametrize("n", [2, 3, 4, 30])
def test_complete_graph_has_no_negatives_and_terminates(n):
    split = run(n, [(i, j) for i in range(n) for j in range(i + 1, n)], [True] * n)
    assert len(split.uniform_negatives.source) == len(split.degree_matched_negatives.source) == 0
    assert np.all(split.cold_degree_matched == -1)


def test_single_pair_goes_to_train():
    split = run(5, [(1, 3)], [True] * 5, SplitConfig(cold_share=0.5))
    assert split.train.source.tolist() == [1] and split.train.target.tolist() == [3]
    assert len(split.validation.source) == len(split.uniform_negatives.source) == len(split.cold) == 0


def test_no_pairs_is_an_input_error():
    with pytest.raises(InputError, match="no product pairs"):
        run(5, [], [True] * 5)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [([(0, 1), (1, 0)], "twice"), ([(2, 2)], "itself"), ([(0, 5)], "must lie"), ([(-1, 2)], "must lie")],
)
def test_broken_pairs_are_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        run(5, pairs, [True] * 5)


def test_shares_out_of_bounds_are_refused():
    for bad in ({"validation_share": 0.0}, {"validation_share": 0.9}, {"cold_share": -0.1}):
        with pytest.raises(InputError, match="allowed value"):
            build(SplitConfig, bad, "categories.yaml: x.settings.split")


@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 60)))
def test_contains_is_set_membership(members, queries):
    keys = np.array(sorted(set(members)), dtype=np.int64)
    found = in_sorted(keys, np.array(queries, dtype=np.int64))
    assert found.tolist() == [q in set(members) for q in queries]
