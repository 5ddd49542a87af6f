"""What the version before stored is read under today's names."""

import dataclasses

import numpy as np
import pytest

from core.interfaces import TrainedModel
from core.pairs.split import Pairs, PairSplit, SplitConfig, split_pairs
from core.store import Store


@dataclasses.dataclass(frozen=True)
class EarlierSplit:
    """The fields of ``PairSplit`` as they were before pairs had a type of their own."""

    n_nodes: int
    train_source: np.ndarray
    train_target: np.ndarray
    train_weight: np.ndarray
    valid_source: np.ndarray
    valid_target: np.ndarray
    published_source: np.ndarray
    published_target: np.ndarray
    matched_source: np.ndarray
    matched_target: np.ndarray
    cold: np.ndarray
    cold_source: np.ndarray
    cold_target: np.ndarray
    cold_matched_target: np.ndarray
    cold_uniform_target: np.ndarray
    keys: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class EarlierModel:
    model: str
    seen: np.ndarray
    center: np.ndarray
    parts: dict


EarlierSplit.__name__, EarlierModel.__name__ = "PairSplit", "Embeddings"


@pytest.fixture
def earlier_store(tmp_path, monkeypatch):
    """A store that still writes the old names."""
    monkeypatch.setattr("core.store.artefacts.ARTEFACTS", {"PairSplit": "", "Embeddings": ""})
    store = Store(tmp_path)
    yield store


def split() -> PairSplit:
    rng = np.random.default_rng(7)
    source, target = np.triu_indices(40, 1)
    chosen = rng.choice(len(source), 300, replace=False)
    return split_pairs(
        40, source[chosen], target[chosen], rng.random(300).astype(np.float32), np.ones(40, bool), SplitConfig(0.3, 0.1)
    )


def test_a_split_of_the_version_before_is_read(earlier_store, monkeypatch):
    today = split()
    old = EarlierSplit(
        today.n_nodes, today.train.source, today.train.target, today.train.weight,
        today.validation.source, today.validation.target,
        today.uniform_negatives.source, today.uniform_negatives.target,
        today.degree_matched_negatives.source, today.degree_matched_negatives.target,
        today.cold, today.cold_pairs.source, today.cold_pairs.target,
        today.cold_degree_matched, today.cold_uniform, today.keys,
    )  # fmt: skip
    earlier_store.write("pair_split", "c", old)
    monkeypatch.undo()
    back = earlier_store.read("pair_split", "c")
    assert isinstance(back, PairSplit) and earlier_store.manifest("pair_split", "c").type == "PairSplit"
    for field in dataclasses.fields(PairSplit):
        expected, found = getattr(today, field.name), getattr(back, field.name)
        if isinstance(expected, Pairs):
            assert type(found) is type(expected)
            for part in dataclasses.fields(expected):
                np.testing.assert_array_equal(getattr(found, part.name), getattr(expected, part.name))
        else:
            np.testing.assert_array_equal(found, expected)


def test_a_model_of_the_version_before_is_read_with_its_parts(earlier_store, monkeypatch):
    part = EarlierModel("inner", np.array([True, False]), np.ones((2, 3), np.float32), {})
    whole = EarlierModel("outer", np.array([True, True]), np.zeros((2, 3), np.float32), {"inner": part})
    earlier_store.write("embeddings/outer", "c", whole)
    monkeypatch.undo()
    back = earlier_store.read("embeddings/outer", "c")
    assert isinstance(back, TrainedModel) and isinstance(back.parts["inner"], TrainedModel)
    np.testing.assert_array_equal(back.parts["inner"].center, part.center)
