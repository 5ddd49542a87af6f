"""Parquet and JSON lines in a folder or bucket, e.g. for a warehouse or the generator of a static site.

``recommendations.parquet`` has the schema ``core.recommendations.RECOMMENDATIONS``. ``recommendations.jsonl`` has a
line for each product and slot with its whole list::

    {"product":"A","slot":"goes_with","neighbours":["B","C"],"scores":[0.5,null],"sources":["model","popular"]}
"""

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from core.delivery.config import FilesConfig
from core.delivery.folders import Folder, FolderPlace, Written, location, sync
from core.delivery.lists import (
    SampledList,
    as_float32,
    as_json,
    chunks,
    concatenated,
    encoded,
    in_one,
    joined,
    json_lists,
    product_ids,
    sample,
    score_texts,
)
from core.delivery.place import ReadBackError, Receipt, Shipment
from core.progress import Progress
from core.recommendations.form import RECOMMENDATIONS, SOURCES, Recommendations

PARQUET, LINES = "recommendations.parquet", "recommendations.jsonl"
_ROW_GROUP = 64_000
_SAMPLE = 20
"""Lists that are read back; each costs a row group or a request."""


class Files(FolderPlace):
    """See :class:`core.delivery.place.Place`."""

    name = "files"

    def __init__(self, category: str, config: FilesConfig) -> None:
        self._config = config
        self._folder = Folder(self.name, category, location(config.url, "lists"))

    def deliver(self, shipment: Shipment, progress: Progress) -> Receipt:
        """See :class:`core.delivery.place.Place`."""
        lists = shipment.lists
        sampled = sample(lists, _SAMPLE)

        def write(target: UPath) -> Written:
            if "parquet" in self._config.formats:
                write_parquet(target / PARQUET, lists, progress)
                compare_parquet(target / PARQUET, lists, sampled)
            if "jsonl" in self._config.formats:
                places = write_lines(target / LINES, lists, sampled, progress)
                compare_lines(target / LINES, sampled, places)
            return Written(lists.rows, len(sampled))

        return self._folder.deliver(shipment, write)


def write_parquet(file: UPath, lists: Recommendations, progress: Progress) -> None:
    """Write the rows of all lists."""
    total, done = lists.rows, 0
    with file.open("wb") as out:
        with pq.ParquetWriter(out, RECOMMENDATIONS, compression="zstd", write_page_checksum=True) as writer:
            for batch in lists.batches():
                writer.write_table(pa.Table.from_batches([batch]), row_group_size=_ROW_GROUP)
                done += batch.num_rows
                progress("Parquet", done, total, "rows")
        sync(out)


def compare_parquet(file: UPath, lists: Recommendations, sampled: list[SampledList]) -> None:
    """Compare the number of rows and some lists. Raises ReadBackError."""
    firsts, start = {}, 0
    for slot in lists.slots:
        counts = (lists.neighbours[slot] >= 0).sum(axis=1)
        firsts[slot] = start + np.cumsum(counts) - counts
        start += int(counts.sum())
    with file.open("rb") as opened, pq.ParquetFile(opened, page_checksum_verification=True) as parquet:
        head = parquet.metadata
        if head.num_rows != start:
            raise ReadBackError(f"{file} has {head.num_rows:,} rows instead of {start:,}")
        ends = np.cumsum([head.row_group(group).num_rows for group in range(head.num_row_groups)])
        for expected in sampled:
            first = int(firsts[expected.slot][expected.node])
            last = first + len(expected.neighbours) - 1
            group = int(np.searchsorted(ends, first, "right"))
            groups = list(range(group, int(np.searchsorted(ends, last, "right")) + 1))
            offset = first - (int(ends[group - 1]) if group else 0)
            rows = parquet.read_row_groups(groups, use_threads=False).slice(offset, last - first + 1).to_pydict()
            found = (set(rows["slot"]), set(rows["product"]), rows["rank"], rows["neighbour"], rows["score"])
            ranks = list(range(1, len(expected.neighbours) + 1))
            wanted = ({expected.slot}, {expected.product}, ranks, expected.neighbours, expected.scores)
            if found != wanted or rows["source"] != expected.sources:
                raise ReadBackError(f"{file}: the list {expected.slot} of {expected.product!r} is not the one sent")


def write_lines(
    file: UPath, lists: Recommendations, sampled: list[SampledList], progress: Progress
) -> list[tuple[int, int]]:
    """Write a line for each list.

    Returns:
        For each list of the sample, where its line starts and its length, in bytes.
    """
    ids = encoded(product_ids(lists), as_json)
    sources = pa.array([as_json(source) for source in SOURCES], pa.large_string())
    waiting, places = list(sampled), []
    total, done, position = lists.rows, 0, 0
    with file.open("wb") as out:
        for chunk in chunks(lists):
            lines = concatenated(
                '{"product":', ids.take(pa.array(chunk.products)), f',"slot":"{chunk.slot}","neighbours":',
                json_lists(chunk, ids), ',"scores":[', joined(chunk.offsets, score_texts(chunk.scores, "null")),
                '],"sources":[', joined(chunk.offsets, sources.take(pa.array(chunk.sources))), "]}\n",
            )  # fmt: skip
            data = in_one(lines)
            while waiting and waiting[0].slot == chunk.slot and waiting[0].node <= chunk.products[-1]:
                line = int(np.searchsorted(chunk.products, waiting.pop(0).node))
                start = len(in_one(lines.slice(0, line)))
                places.append((position + start, len(in_one(lines.slice(line, 1)))))
            out.write(data)
            position += len(data)
            done += len(chunk.neighbours)
            progress("JSON lines", done, total, "rows")
        sync(out)
    if file.stat().st_size != position:
        raise ReadBackError(f"{file} has {file.stat().st_size:,} bytes instead of {position:,}")
    return places


def compare_lines(file: UPath, sampled: list[SampledList], places: list[tuple[int, int]]) -> None:
    """Compare some lines with their lists. Raises ReadBackError."""
    with file.open("rb") as opened:
        for expected, (start, length) in zip(sampled, places, strict=True):
            opened.seek(start)
            try:
                found = orjson.loads(opened.read(length))
            except orjson.JSONDecodeError:
                found = {}
            wanted = {
                "product": expected.product, "slot": expected.slot, "neighbours": expected.neighbours,
                "scores": expected.scores, "sources": expected.sources,
            }  # fmt: skip
            if {**found, "scores": as_float32(found.get("scores", []))} != wanted:
                raise ReadBackError(f"{file}: the list {expected.slot} of {expected.product!r} is not the one sent")
