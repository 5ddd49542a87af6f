"""The folder in which Numba keeps compiled kernels, one for each state of the kernels' sources.

Numba checks only the file in which a kernel is defined. After an update that changed a helper in another file, it would
run the old machine code. The name of the folder therefore contains a digest of every source file that uses Numba.
"""

import hashlib
import os
import tempfile
from pathlib import Path

_SOURCES = Path(__file__).resolve().parent.parent


def choose_folder() -> None:
    """Set ``NUMBA_CACHE_DIR`` unless the user has set it.

    The folder is next to the sources, or in the temporary folder if the sources are read-only.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    base = _SOURCES / "__pycache__"
    if not os.access(base if base.exists() else _SOURCES, os.W_OK):
        base = Path(tempfile.gettempdir()) / f"alsobought-{os.getuid()}"
    os.environ["NUMBA_CACHE_DIR"] = str(base / f"numba-{source_digest(_SOURCES)}")


def source_digest(folder: Path) -> str:
    """16 hexadecimal digits that change with the content of any source file below ``folder`` that uses Numba."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        if b"numba" in content:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()[:16]
