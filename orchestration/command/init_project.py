"""Write the files of a new project folder, for ``alsobought init``."""

from pathlib import Path

from core.errors import InputError

TEMPLATES = ("categories.yaml", "dagster.yaml", "workspace.yaml")
_FOLDER = Path(__file__).resolve().parents[1] / "templates"


def init(folder: Path) -> list[str]:
    """Write the files that a project needs. A file that exists already stays as it is.

    Args:
        folder: the project folder; it is created with its parents if it does not exist.

    Returns:
        One sentence for each file, and the next command.

    Raises:
        InputError: the folder cannot be written to.
    """
    lines = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
        for name in TEMPLATES:
            text = (_FOLDER / name).read_text(encoding="utf-8")
            try:
                with (folder / name).open("x", encoding="utf-8") as file:  # fails if the file exists
                    file.write(text)
                lines.append(f"wrote {folder / name}")
            except FileExistsError:
                lines.append(f"kept {folder / name}, which existed already")
    except OSError as error:
        raise InputError(f"the project's files cannot be written to {folder} ({error}); name another folder") from error
    return [*lines, f"Next: cd {folder} && alsobought demo"]
