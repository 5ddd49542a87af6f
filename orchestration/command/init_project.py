"""``alsobought init``: the files of a new project folder."""

from pathlib import Path

from core.errors import InputError

TEMPLATES = ("categories.yaml", "dagster.yaml", "workspace.yaml")
_FOLDER = Path(__file__).resolve().parents[1] / "templates"


def init(folder: Path) -> list[str]:
    """Write the files that a project needs; a file that is there already stays as it is.

    Args:
        folder: made if it is not there, with its parents.

    Returns:
        One sentence for each file, and the next command.

    Raises:
        InputError: the folder cannot be written to.
    """
    said = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
        for name in TEMPLATES:
            text = (_FOLDER / name).read_text(encoding="utf-8")
            try:
                with (folder / name).open("x", encoding="utf-8") as file:  # fails where there is one
                    file.write(text)
                said.append(f"wrote {folder / name}")
            except FileExistsError:
                said.append(f"kept {folder / name}, which was there already")
    except OSError as error:
        raise InputError(f"{folder}: the project's files cannot be written ({error}); name another folder") from error
    return [*said, f"Next: cd {folder} && alsobought demo"]
