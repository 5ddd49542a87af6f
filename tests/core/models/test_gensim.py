"""gensim's word2vec behind the common interface: what it reads, and whether its vectors belong to the right nodes."""

import numpy as np
import pytest
from gensim.models.word2vec import LineSentence, Word2Vec

from core.errors import InputError
from core.interfaces import LEARNING_CURVE, Inputs, TrainContext
from core.models.gensim_word2vec import train as gensim_training
from core.models.gensim_word2vec.config import GensimConfig
from tests.probes import RecordingProbe

N_NODES = 1_005  # ids of one to four digits
SMALL = GensimConfig(dim=12, epochs=3, learning_rate=0.05)


@pytest.fixture(scope="module")
def walks():
    """Walks within the lower and the upper half; nodes 1000.. and every tenth are on none; some walks end early."""
    rng = np.random.default_rng(0)
    half = rng.integers(0, 2, (6000, 1)) * 500
    rows = (rng.integers(0, 500, (6000, 10)) + half).astype(np.int32)
    rows[rows % 10 == 0] += 1
    rows[::4, 3:] = -1
    return rows


def _fit(walks, config=SMALL, **context):
    inputs = Inputs(n_nodes=N_NODES, walks=walks)
    return gensim_training.train(inputs, config, TrainContext(**({"threads": 1} | context)))


def test_gensim_reads_exactly_the_walks(walks, tmp_path, monkeypatch):
    monkeypatch.setattr(gensim_training, "_CHUNK", 100)
    path = tmp_path / "walks.txt"
    with path.open("wb") as file:
        gensim_training._write_text(file, walks, 4, N_NODES)
    read = [[int(word) for word in sentence] for sentence in LineSentence(str(path))]
    assert read == [[int(node) for node in walk if node >= 0] for walk in walks]


@pytest.mark.parametrize("architecture", ["cbow", "skip-gram"])
def test_vectors_are_those_of_gensims_own_model_realigned(walks, architecture, monkeypatch):
    models = []

    class Spy(Word2Vec):
        def __init__(self, **options):
            models.append(self)
            super().__init__(**options)

    monkeypatch.setattr(gensim_training, "Word2Vec", Spy)
    embeddings = _fit(walks, GensimConfig(dim=12, epochs=2, architecture=architecture))
    (model,) = models
    assert model.sg == (architecture == "skip-gram")
    assert len(model.wv) == embeddings.seen.sum() == len(np.unique(walks[walks >= 0]))
    for key in model.wv.index_to_key:
        assert (embeddings.center[int(key)] == model.wv[key]).all()
        assert (embeddings.context[int(key)] == model.syn1neg[model.wv.key_to_index[key]]).all()
        assert model.wv.get_vecattr(key, "count") == (walks == int(key)).sum()


def test_unseen_nodes_are_zero_and_marked(walks):
    embeddings = _fit(walks)
    expected = np.isin(np.arange(N_NODES), walks)
    assert (embeddings.seen == expected).all() and not expected[-5:].any()
    assert (embeddings.center[~expected] == 0).all() and (embeddings.context[~expected] == 0).all()
    assert (np.abs(embeddings.center[expected]).sum(1) > 0).all()
    assert embeddings.center.dtype == embeddings.context.dtype == np.float32


@pytest.mark.parametrize("architecture", ["cbow", "skip-gram"])
def test_it_learns_which_nodes_walk_together(walks, architecture):
    embeddings = _fit(
        walks, GensimConfig(dim=12, epochs=10, learning_rate=0.05, architecture=architecture, subsample=0.0)
    )
    center = embeddings.center[embeddings.seen]
    center /= np.linalg.norm(center, axis=1, keepdims=True)
    upper = np.flatnonzero(embeddings.seen) >= 500
    cosine = center @ center.T
    assert cosine[upper][:, upper].mean() > cosine[upper][:, ~upper].mean() + 0.3


@pytest.mark.parametrize("threads", [1, 3])
def test_every_word_is_trained_on(walks, monkeypatch, threads):
    """gensim's own count of the words it was given shows that none is dropped, for any number of threads."""
    read = []

    class Spy(Word2Vec):
        def train(self, **options):
            trained = super().train(**options)
            read.append(trained[1])
            return trained

    monkeypatch.setattr(gensim_training, "Word2Vec", Spy)
    _fit(walks, threads=threads)
    words = SMALL.epochs * int((walks >= 0).sum())
    # Each thread reads its part of the file in blocks of 10,000 words and so a little into the next thread's part.
    assert words <= read[0] <= words + SMALL.epochs * 10_000 * (threads - 1)


def test_learning_curve_progress_and_facts(walks):
    reports = []
    probe = RecordingProbe(np.arange(0, N_NODES, 3), lambda *_: 0.75)
    embeddings = _fit(walks, probe=probe, progress=lambda *report: reports.append(report))
    words = int((walks >= 0).sum())
    rows = embeddings.learning_curve.to_pandas()
    assert embeddings.learning_curve.schema == LEARNING_CURVE
    assert rows["epoch"].tolist() == [1, 2, 3]
    assert rows["examples"].tolist() == [words, 2 * words, 3 * words]
    assert rows["roc_auc"].tolist() == [0.75] * 3 and rows["loss"].isna().all()
    assert rows["learning_rate"].iloc[-1] == pytest.approx(SMALL.min_learning_rate)
    assert rows["seconds"].is_monotonic_increasing
    assert reports[-1] == ("gensim_word2vec", 3 * words, 3 * words, "words") and len(reports) == 3
    center, context = probe.shown[-1]
    assert (center == embeddings.center[::3]).all() and (context == embeddings.context[::3]).all()
    assert embeddings.info["config"]["architecture"] == "cbow"
    assert embeddings.info["words"] == 3 * words and embeddings.info["device"] == "cpu"
    assert embeddings.info["seconds"] == rows["seconds"].iloc[-1]


def test_one_thread_repeats_itself_and_follows_the_seed(walks):
    first = _fit(walks)
    assert (_fit(walks).center == first.center).all()
    assert not np.allclose(_fit(walks, seed=1).center, first.center)


def test_walks_of_another_graph_and_no_walks_are_refused(walks):
    with pytest.raises(InputError, match="another product graph"):
        gensim_training.train(Inputs(n_nodes=100, walks=walks), SMALL, TrainContext())
    with pytest.raises(InputError, match="there are no walks"):
        gensim_training.train(Inputs(n_nodes=100), SMALL, TrainContext())
