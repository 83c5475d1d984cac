"""Files of a published data set in a folder of the data directory."""

from __future__ import annotations

from pathlib import Path

from tfrec.errors import ConfigError, DataError


def found(
    data_set: str, data_dir: Path | None, names: tuple[str, ...], source: str
) -> Path:
    """The first of several files that is there.

    Args:
        data_set: What the user asked for.
        data_dir: The data directory.
        names: Files below it, the preferred first; each may have ``.xz`` appended.
        source: Where to take them, as the end of a sentence.

    Raises:
        ValueError: No data directory, or none of the files.
    """
    if data_dir is None:
        raise ConfigError(
            f"{data_set} is read from the folder '{Path(names[0]).parent}' of a data "
            "directory: pass data_dir, or set TFREC_DATA_DIR."
        )
    for name in names:
        for path in (data_dir / name, data_dir / f"{name}.xz"):
            if path.is_file():
                return path
    raise DataError(
        f"{data_set} needs {' or '.join(names)} (plain or .xz) in {data_dir}: {source}."
    )
