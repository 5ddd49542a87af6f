"""Vectors of the final models in a folder or bucket, for a vector index or another program.

For each model that has vectors: ``<model>.parquet`` (``product``, ``center`` and, if the model has one, ``context``),
and ``<model>.center.npy`` and ``<model>.context.npy``, float32 ``[n, dim]``, whose row i belongs to row i of
``ids.parquet``. Products that a model knows nothing of have no row in Parquet and a row of zeros in NumPy's files.
"""

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from core.delivery.config import VectorsConfig
from core.delivery.folders import Folder, FolderPlace, Written, location, sync
from core.delivery.lists import product_ids
from core.delivery.place import ReadBackError, Receipt, Shipment
from core.errors import InputError
from core.interfaces import TrainedModel
from core.progress import Progress
from core.typing import Float32Array

IDS = "ids.parquet"
_ROWS = 1 << 14
_SAMPLE = 10


class Vectors(FolderPlace):
    """See :class:`core.delivery.place.Place`. The rows of a version are those of its NumPy files or Parquet tables."""

    name = "vectors"

    def __init__(self, category: str, config: VectorsConfig) -> None:
        self._category, self._config = category, config
        self._folder = Folder(self.name, category, location(config.url, "vectors"))

    def deliver(self, shipment: Shipment, progress: Progress) -> Receipt:
        """See :class:`core.delivery.place.Place`."""
        if shipment.models is None:
            raise InputError(
                f"vectors of {self._category}: there are no final models; run "
                f"`alsobought materialize {self._category} --select final_models`"
            )
        ids = product_ids(shipment.lists)
        models = {name: model for name, model in shipment.models.models.items() if model.center is not None}
        for name, model in models.items():
            if len(model.seen) != len(ids):
                raise InputError(
                    f"vectors of {self._category}: {name} knows {len(model.seen):,} products and the lists "
                    f"{len(ids):,}, so they were not made from the same pairs; materialize `recommendations` again"
                )

        def write(target: UPath) -> Written:
            _write_table(target / IDS, pa.schema([("product", pa.large_string())]), _id_batches(ids))
            rows = compared = 0
            for number, (name, model) in enumerate(models.items()):
                rows += int(np.count_nonzero(model.seen))
                if "npy" in self._config.formats:
                    for side, vectors in _sides(model).items():
                        _write_array(target / f"{name}.{side}.npy", vectors)
                        compared += _compare_array(target / f"{name}.{side}.npy", vectors)
                if "parquet" in self._config.formats:
                    file = target / f"{name}.parquet"
                    _write_table(file, _schema(model), _batches(model, ids))
                    compared += _compare_table(file, model, ids)
                progress("vectors", number + 1, len(models), "models")
            return Written(rows, compared)

        return self._folder.deliver(shipment, write)


def _sides(model: TrainedModel) -> dict[str, Float32Array]:
    sides = {"center": model.center, "context": model.context}
    return {name: vectors for name, vectors in sides.items() if vectors is not None}


def _schema(model: TrainedModel) -> pa.Schema:
    columns = {side: pa.list_(pa.float32(), vectors.shape[1]) for side, vectors in _sides(model).items()}
    return pa.schema({"product": pa.large_string(), **columns})


def _batches(model: TrainedModel, ids: pa.LargeStringArray) -> Iterator[pa.RecordBatch]:
    known = np.flatnonzero(model.seen)
    for first in range(0, len(known), _ROWS):
        nodes = known[first : first + _ROWS]
        columns = [
            pa.FixedSizeListArray.from_arrays(
                pa.array(np.ascontiguousarray(vectors[nodes], np.float32).ravel()), vectors.shape[1]
            )
            for vectors in _sides(model).values()
        ]
        yield pa.RecordBatch.from_arrays([ids.take(pa.array(nodes)), *columns], schema=_schema(model))


def _id_batches(ids: pa.LargeStringArray) -> Iterator[pa.RecordBatch]:
    for first in range(0, len(ids), _ROWS):
        yield pa.RecordBatch.from_arrays([ids.slice(first, _ROWS)], ["product"])


def _write_table(file: UPath, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    with file.open("wb") as out:
        with pq.ParquetWriter(out, schema, compression="zstd", write_page_checksum=True) as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch], schema))
        sync(out)


def _write_array(file: UPath, vectors: Float32Array) -> None:
    with file.open("wb") as out:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            head, {"descr": "<f4", "fortran_order": False, "shape": vectors.shape}
        )  # fmt: skip
        out.write(head.getvalue())
        for first in range(0, len(vectors), _ROWS):
            out.write(np.ascontiguousarray(vectors[first : first + _ROWS], "<f4").tobytes())
        sync(out)


def _compare_array(file: UPath, vectors: Float32Array) -> int:
    """Compare the size and some rows; return how many. Raises ReadBackError."""
    size, row = file.stat().st_size, 4 * vectors.shape[1]
    head = size - len(vectors) * row
    with file.open("rb") as opened:
        if head <= 0 or np.lib.format.read_magic(opened) != (1, 0):
            raise ReadBackError(f"{file} has {size:,} bytes, which is not the size of its vectors")
        nodes = np.unique(np.linspace(0, len(vectors) - 1, _SAMPLE).astype(np.int64)) if len(vectors) else np.arange(0)
        for node in nodes:
            opened.seek(head + int(node) * row)
            if not np.array_equal(np.frombuffer(opened.read(row), "<f4"), vectors[node], equal_nan=True):
                raise ReadBackError(f"{file}: the vector in row {node} is not the one sent")
    return len(nodes)


def _compare_table(file: UPath, model: TrainedModel, ids: pa.LargeStringArray) -> int:
    """Compare the number of rows and some vectors; return how many. Raises ReadBackError."""
    known = np.flatnonzero(model.seen)
    with file.open("rb") as opened, pq.ParquetFile(opened, page_checksum_verification=True) as parquet:
        if parquet.metadata.num_rows != len(known):
            raise ReadBackError(f"{file} has {parquet.metadata.num_rows:,} rows instead of {len(known):,}")
        if not len(known):
            return 0
        table = parquet.read_row_group(parquet.num_row_groups - 1)
        for place in range(max(0, len(table) - _SAMPLE), len(table)):
            node = int(known[len(known) - len(table) + place])
            found = table.slice(place, 1).to_pylist()[0]
            wanted = {side: vectors[node].tolist() for side, vectors in _sides(model).items()}
            if found != {"product": ids[node].as_py(), **wanted}:
                raise ReadBackError(f"{file}: the vector of {found['product']!r} is not the one sent")
        return min(_SAMPLE, len(table))
