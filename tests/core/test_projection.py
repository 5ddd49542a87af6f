"""Maps of products: neighbourhoods are kept, by an independent measure, and odd inputs are laid out too."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from core.errors import InputError
from core.interfaces import TrainedModel
from core.models import MODELS
from core.projection import ProjectionConfig, has_map, project, wanted
from core.store import Store


def blobs(n, groups=8, dim=32, seed=0):
    """Unit vectors around random centres; (vectors, group of each)."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    vectors = rng.normal(size=(groups, dim))[group] + 0.5 * rng.normal(size=(n, dim))
    return (vectors * rng.uniform(0.1, 10, (n, 1))).astype(np.float32), group  # length must not matter


def embed(vectors, seen=None):
    return TrainedModel("some_model", np.ones(len(vectors), bool) if seen is None else seen, vectors, vectors)


def nearest_in(position, k):
    distance = ((position[:, None] - position[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1)[:, :k]


def test_neighbourhoods_are_kept_better_than_by_principal_components():
    vectors, group = blobs(600)
    projection = project(embed(vectors), ProjectionConfig())
    assert projection.position.dtype == np.float32 and projection.position.shape == (600, 2)
    assert np.abs(projection.position).max() == pytest.approx(1)
    near = nearest_in(projection.position, 10)
    assert (group[near] == group[:, None]).mean() > 0.98
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    components = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    score = trustworthiness(unit, projection.position, n_neighbors=10)
    assert score > 0.85 and score > trustworthiness(unit, components, n_neighbors=10) + 0.03


def test_only_seen_products_have_a_place_and_the_seed_decides_it():
    vectors, _ = blobs(200)
    seen = np.arange(200) % 3 > 0
    vectors[~seen] = 0
    first, again = (project(embed(vectors, seen), ProjectionConfig()) for _ in range(2))
    assert first.nodes.tolist() == np.flatnonzero(seen).tolist()
    assert np.array_equal(first.position, again.position)


def test_products_beyond_the_sample_stand_beside_their_own_kind():
    vectors, group = blobs(900)
    projection = project(embed(vectors), ProjectionConfig(fit_up_to=300))
    assert projection.fitted.sum() == 300 == projection.info["fitted"]
    placed = np.flatnonzero(~projection.fitted)
    laid_out = np.flatnonzero(projection.fitted)
    distance = ((projection.position[placed, None] - projection.position[None, laid_out]) ** 2).sum(axis=2)
    beside = laid_out[np.argsort(distance, axis=1)[:, :5]]
    assert (group[beside] == group[placed, None]).mean() > 0.97


@pytest.mark.parametrize("n", [0, 1, 2, 9, 10, 12])
@pytest.mark.parametrize("kind", ["random", "zero", "same"])
def test_few_or_equal_products(n, kind):
    vectors = {"random": blobs(n)[0], "zero": np.zeros((n, 32), np.float32), "same": np.ones((n, 32), np.float32)}[kind]
    projection = project(embed(vectors), ProjectionConfig())
    assert projection.position.shape == (n, 2) and np.isfinite(projection.position).all()


def test_what_cannot_be_laid_out_is_said():
    with pytest.raises(InputError, match="no vectors"):
        project(TrainedModel("m", np.ones(3, bool)), ProjectionConfig())
    with pytest.raises(InputError, match="diverged"):
        project(embed(np.full((20, 4), np.nan, np.float32)), ProjectionConfig())


def test_which_models_have_maps():
    able = [name for name, model in MODELS.items() if has_map(model)]
    assert wanted(ProjectionConfig("all")) == able
    assert wanted(ProjectionConfig("")) == []
    assert wanted(ProjectionConfig(f"{able[1]} {able[0]}")) == able[:2]
    assert set(wanted(ProjectionConfig())) <= set(able) != set()
    for name in ("no_such_model", next(name for name in MODELS if name not in able)):
        with pytest.raises(InputError, match=name):
            ProjectionConfig(name)


def test_a_map_goes_through_the_store(tmp_path):
    projection = project(embed(blobs(30)[0]), ProjectionConfig())
    store = Store(tmp_path)
    store.write("projection/some_model", "alpha", projection)
    read = store.read("projection/some_model", "alpha")
    assert read.model == "some_model" and read.info == projection.info
    for name in ("nodes", "position", "fitted"):
        assert np.array_equal(getattr(read, name), getattr(projection, name))
