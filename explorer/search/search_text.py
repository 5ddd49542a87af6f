"""The form in which titles and queries are compared: lower case, without accents, words separated by single spaces."""

import pyarrow as pa
import pyarrow.compute as pc

_ACCENTS_AND_APOSTROPHES = r"[\x{0300}-\x{036f}'’‘`´]+"
_BETWEEN_WORDS = r"[^\pL\pM\pN]+"


def fold(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Fold texts for the search.

    Compatibility characters (full-width letters, ligatures) are unified, accents and apostrophes are dropped, and
    everything else that is neither a letter nor a digit separates words.

    Args:
        texts: string or large_string; null counts as empty.

    Returns:
        large_string of the same length.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    texts = pc.fill_null(texts.cast(pa.large_string()), "")
    # Most titles are ASCII, and normalizing takes longer than everything else.
    ascii_only = pc.string_is_ascii(texts)
    if pc.all(ascii_only, min_count=0).as_py():
        return _words(pc.replace_substring(texts, "'", ""))
    others = pc.utf8_normalize(texts.filter(pc.invert(ascii_only)), form="NFKD")
    others = pc.utf8_normalize(pc.replace_substring_regex(others, _ACCENTS_AND_APOSTROPHES, ""), form="NFKC")
    return _words(pc.replace_with_mask(pc.replace_substring(texts, "'", ""), pc.invert(ascii_only), others))


def _words(texts: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(texts), _BETWEEN_WORDS, " "))


def fold_one(text: str) -> str:
    """Fold one text; see :func:`fold`."""
    return str(fold(pa.array([text]))[0].as_py())
