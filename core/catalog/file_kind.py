"""What a file is, recognised by its content and never by its name."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from core.catalog.containers import UnpackedFile, UnreadableError
from core.catalog.literals import LiteralError, parse_literal

PARQUET, ARROW, TEXT = "parquet", "arrow", "text"

_LINES = 20
"""Lines at the start of a file that are looked at."""
_LINE_BYTES = 1 << 16

_AS_TABLE = "save the table as CSV (UTF-8) or Parquet"
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"FEA1", "this is a Feather file of version 1, which current software no longer writes; save it as Parquet"),
    (b"ORC", f"this is an ORC file; {_AS_TABLE}"),
    (b"Obj\x01", f"this is an Avro file; {_AS_TABLE}"),
    (b"\x89HDF", f"this is an HDF5 file; {_AS_TABLE}"),
    (b"SQLite format 3\0", f"this is an SQLite database; {_AS_TABLE}"),
    (b"\x93NUMPY", f"this is a NumPy array; {_AS_TABLE}"),
    (b"\xd0\xcf\x11\xe0", "this is an old Excel workbook or another office document; save the sheet as CSV (UTF-8)"),
    (b"%PDF", "this is a PDF document, not data; correct the category's source in categories.yaml"),
    (b"7z\xbc\xaf\x27\x1c", "this is a 7z archive; unpack it and use the file in it"),
    (b"Rar!", "this is a RAR archive; unpack it and use the file in it"),
    (b"\x1f\x9d", "this is packed with compress (.Z); unpack it and use the file in it"),
    (b"\x04\x22\x4d\x18", "this is packed with LZ4; unpack it and use the file in it"),
    (b"\x89PNG", "this is a picture, not data; correct the category's source in categories.yaml"),
    (b"\xff\xd8\xff", "this is a picture, not data; correct the category's source in categories.yaml"),
    (b"GIF8", "this is a picture, not data; correct the category's source in categories.yaml"),
    (b"version https://git-lfs.github.com/spec/",
     "this is a Git LFS pointer, not the file it stands for; fetch the file with `git lfs pull`"),
)  # fmt: skip
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95c}\](]")
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body|script)\b", re.IGNORECASE | re.DOTALL)
_XML = re.compile(rb"\s*<\?xml\b|\s*<[A-Za-z][\w:.-]*[\s>/]")
_ARRAY = re.compile(rb"\s*\[\s*(?:[{\]]|$)")


class SourceFile(NamedTuple):
    """A local file that was looked at.

    Attributes:
        path: where it is.
        kind: PARQUET, ARROW or TEXT.
        head: the first MB or so of a text's content, unpacked and as UTF-8; empty for other kinds.
    """

    path: Path
    kind: str
    head: bytes

    @property
    def is_blank(self) -> bool:
        """Whether this is a text that begins with nothing but white space."""
        return self.kind == TEXT and not self.head.strip()


def look_at(path: Path) -> SourceFile:
    """Recognise the kind of a file.

    Raises:
        UnreadableError: the file is nothing that can be read; the message says what it is and what to do.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PAR1"):
        return SourceFile(path, PARQUET, b"")
    if start.startswith(b"ARROW1"):
        return SourceFile(path, ARROW, b"")
    head = UnpackedFile(path).head()
    if head.startswith((b"PAR1", b"ARROW1")):
        what = "Parquet" if head.startswith(b"PAR1") else "Arrow"
        raise UnreadableError(f"this is a {what} file inside an archive; unpack it, as {what} is compressed by itself")
    for magic, sentence in _FOREIGN:
        if head.startswith(magic):
            raise UnreadableError(sentence)
    if head[257:262] == b"ustar":
        raise UnreadableError("this is a tar archive; unpack it and name the file in it that is meant")
    if _PICKLE.match(head):
        raise UnreadableError(f"this is a Python pickle, which is never opened, as it can run code; {_AS_TABLE}")
    if _HTML.match(head[:4096]):
        raise UnreadableError(
            "this is a web page (HTML), not data, such as an error or login page that was saved in place of the file; "
            "fetch the file again"
        )
    if _XML.match(head[:4096]):
        raise UnreadableError(
            f"this is XML, not data that can be read (some servers answer with an error in XML); fetch the file again, "
            f"or {_AS_TABLE}"
        )
    return SourceFile(path, TEXT, head)


def first_lines(head: bytes, number: int = _LINES) -> list[bytes]:
    """The first lines that are not blank, of a head, which may end within a line."""
    lines = (line for line in head[: number * _LINE_BYTES].split(b"\n") if line.strip())
    return [line for line, _ in zip(lines, range(number), strict=False)]


def is_json(head: bytes) -> bool:
    """Whether the text is one JSON object (or Python dict) a line, or JSON in a form that is not supported."""
    lines = first_lines(head)
    objects = sum(line.lstrip().startswith(b"{") for line in lines)
    return objects * 2 > len(lines) or bool(lines and (_ARRAY.match(head) or _is_pretty(lines)))


def check_json(head: bytes) -> None:
    """Refuse JSON that certainly holds no product with relationships.

    Raises:
        UnreadableError: the message says what the file is and what to do.
    """
    lines = first_lines(head)
    if _ARRAY.match(head):
        raise UnreadableError(
            "this is a JSON array; one object a line is needed. Convert it, for instance with "
            "`jq -c '.[]' old.json > new.json`"
        )
    if _is_pretty(lines):
        raise UnreadableError(
            "this is JSON spread over several lines; one object a line is needed. Convert it, for instance with "
            "`jq -c . old.json > new.json`"
        )
    records = [record for line in lines if type(record := _parsed(line)) is dict]
    if not records:
        return
    if all("parent_asin" in record and not _LISTS & record.keys() for record in records):
        raise UnreadableError(
            "this is from the 2023 release of the Amazon data, which has no relations between products; use the "
            "metadata of the 2014 or the 2018 release, or make a pairs table from orders"
        )
    if all("reviewerID" in record for record in records):
        raise UnreadableError(
            "these are reviews, which have no relations between products; use the metadata file of the same category "
            "(meta_...json.gz)"
        )
    if all({"product1", "product2"} <= record.keys() for record in records):
        raise UnreadableError("these are pairs as JSON; a pairs table is read from CSV or Parquet, so save it as one")


_LISTS = {"related", "also_buy", "also_view", "also_bought", "also_viewed"}


def _parsed(line: bytes) -> Any:
    try:
        return parse_literal(line.strip()) if len(line) < _LINE_BYTES else None
    except LiteralError:
        return None


def _is_pretty(lines: list[bytes]) -> bool:
    """Whether the first object goes on in the second line."""
    if len(lines) < 2:
        return False
    first, second = lines[0].strip(), lines[1].strip()
    return first.startswith(b"{") and not first.endswith(b"}") and second.startswith((b'"', b"'", b"}"))
