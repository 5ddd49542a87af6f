"""Word2vec on the walks with gensim (Řehůřek and Sojka 2010).

gensim reads sentences of strings. It gets the walks as a temporary text file (its ``corpus_file`` mode), which is
written with array operations: ten million Python strings would take a gigabyte and minutes, and the Python iterator
mode also drops words silently once ``batch_words`` exceeds 10,000.
"""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from gensim.models.callbacks import CallbackAny2Vec
from gensim.models.word2vec import Word2Vec

from core.interfaces import LEARNING_CURVE, Inputs, TrainContext, TrainedModel
from core.models.gensim_word2vec.config import GensimConfig
from core.training.corpus import WalkCorpus, build_corpus
from core.training.sequences import sequences
from core.training.warm_start import find_start, shortened

_CHUNK = 1 << 16
"""Number of walks that are turned into text at a time."""


def train(inputs: Inputs, config: GensimConfig, context: TrainContext) -> TrainedModel:
    """Train gensim's Word2Vec on walks or sessions; ``center`` is its ``wv``, ``context`` its ``syn1neg``.

    With more than one thread gensim's result differs slightly from run to run. The learning curve has one row per
    epoch, without a loss (gensim's running loss loses precision by design).

    Raises:
        InputError: there are no walks, or the walks belong to another graph.
    """
    corpus = build_corpus(sequences(inputs, config.learns_from), inputs.n_nodes)
    vocabulary = np.flatnonzero(corpus.counts)
    digits = len(str(inputs.n_nodes))
    model = Word2Vec(
        sg=int(config.architecture == "skip-gram"),
        vector_size=config.dim,
        window=config.window,
        negative=config.negatives,
        ns_exponent=config.noise_power,
        sample=config.subsample,
        min_count=1,
        workers=context.threads,
        seed=context.seed % 2**32,
    )
    model.build_vocab_from_freq(
        {f"{node:0{digits}d}": int(corpus.counts[node]) for node in vocabulary}, corpus_count=corpus.n_walks
    )
    nodes = np.array(model.wv.index_to_key, dtype=np.int64)  # gensim's row → node
    schedule, start_info = config, {}
    if config.warm_start:
        start = find_start(*_in_node_order(model, nodes, inputs.n_nodes), corpus, context)
        start_info = {"start": start.facts}
        if start.center is not None and start.context is not None:
            schedule = dataclasses.replace(shortened(config)[0], epochs=max(1, int(config.warm_share * config.epochs)))
            model.wv.vectors[:] = start.center[nodes]
            model.syn1neg[:] = start.context[nodes]
    watch = _Watch(nodes, corpus, schedule, context)
    with tempfile.TemporaryDirectory(prefix="alsobought-") as folder:
        path = Path(folder) / "walks.txt"
        with path.open("wb") as file:
            _write_text(file, corpus.walks, digits, inputs.n_nodes)
        watch.start()
        with context.clock.phase("training"):
            trained_words, _ = model.train(
                corpus_file=str(path),
                total_examples=corpus.n_walks,
                total_words=corpus.words,
                epochs=schedule.epochs,
                start_alpha=schedule.learning_rate,
                end_alpha=schedule.min_learning_rate,
                callbacks=[watch],
            )
    words = corpus.words * schedule.epochs
    info = {
        "config": dataclasses.asdict(config),
        "device": "cpu",
        "threads": context.threads,
        "words": words,
        "found_pairs": trained_words > 0 and corpus.walks.shape[1] > 1,
        "seconds": watch.seconds,
        "examples_per_second": words / max(watch.seconds, 1e-9),
    } | start_info
    center, contexts = _in_node_order(model, nodes, inputs.n_nodes)
    curve = pa.Table.from_pylist(watch.rows, schema=LEARNING_CURVE)
    return TrainedModel("gensim_word2vec", corpus.seen, center, contexts, learning_curve=curve, info=info)


def _in_node_order(model: Word2Vec, nodes: np.ndarray, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Center and context vectors, float32 ``[n_nodes, dim]``; zero for unseen nodes."""
    center, contexts = np.zeros((2, n_nodes, model.vector_size), np.float32)
    center[nodes] = model.wv.vectors
    contexts[nodes] = model.syn1neg
    return center, contexts


def _write_text(file: BinaryIO, walks: np.ndarray, digits: int, n_nodes: int) -> None:
    """Write one walk per line, with nodes as decimal numbers of ``digits`` digits; padding becomes spaces."""
    text = "".join(f"{node:0{digits}d} " for node in range(n_nodes)) + " " * (digits + 1)
    words = np.frombuffer(text.encode(), dtype=f"V{digits + 1}")  # the last word, which index -1 selects, is blank
    for first in range(0, len(walks), _CHUNK):
        lines = words[walks[first : first + _CHUNK]].view(np.uint8).reshape(-1, walks.shape[1] * (digits + 1))
        lines[:, -1] = ord("\n")
        file.write(lines.data)


class _Watch(CallbackAny2Vec):  # type: ignore[misc]  # gensim has no types
    """Is called by gensim after every epoch: keeps time, reports progress and measures the learning curve."""

    def __init__(self, nodes: np.ndarray, corpus: WalkCorpus, config: GensimConfig, context: TrainContext) -> None:
        self.rows: list[dict[str, Any]] = []
        self.seconds = 0.0
        self._row = np.full(len(corpus.counts), -1)  # node → gensim's row
        self._row[nodes] = np.arange(len(nodes))
        self._corpus = corpus
        self._config = config
        self._context = context
        self._resumed = 0.0

    def start(self) -> None:
        """Start the clock."""
        self._resumed = time.perf_counter()

    def on_epoch_end(self, model: Word2Vec) -> None:
        self.seconds += time.perf_counter() - self._resumed
        config, epoch = self._config, len(self.rows) + 1
        words = self._corpus.words
        span = config.learning_rate - config.min_learning_rate
        self.rows.append(
            {
                "epoch": epoch,
                "batch": epoch * self._corpus.n_walks,
                "examples": epoch * words,
                "seconds": self.seconds,
                "learning_rate": config.learning_rate - span * epoch / config.epochs,
                "loss": None,
                "roc_auc": self._probe(model),
            }
        )
        self._context.progress("gensim_word2vec", epoch * words, config.epochs * words, "words")
        self.start()

    def _probe(self, model: Word2Vec) -> float | None:
        probe = self._context.probe
        if probe is None:
            return None
        with self._context.clock.phase("probing"):
            row = self._row[probe.nodes]
            seen = row >= 0
            center, contexts = np.zeros((2, len(row), model.vector_size), np.float32)
            center[seen], contexts[seen] = model.wv.vectors[row[seen]], model.syn1neg[row[seen]]
            return probe(center, contexts)
