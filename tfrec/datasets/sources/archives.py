"""Archives that the user already has, handed to TFDS in the place of a download."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tfrec.errors import DataError

SITE = "https://files.grouplens.org/datasets/movielens/"
TIMEOUT = 10.0


def check_zip(path: Path, members: tuple[str, ...]) -> None:
    """Reads an archive through and checks what is in it.

    Args:
        path: A zip file.
        members: Files it must hold.

    Raises:
        DataError: Not a zip, damaged, incomplete, or with paths that leave the folder.
    """
    cure = f"download it again from {SITE}{path.name}"
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.namelist()
            for name in held:
                parts = PurePosixPath(name.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts or ":" in name:
                    raise DataError(
                        f"archive {path} holds the path '{name}', which leaves its "
                        f"folder: {cure}."
                    )
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DataError(f"archive {path} is damaged ({error}): {cure}.") from error
    if damaged:
        raise DataError(f"archive {path} is damaged at '{damaged}': {cure}.")
    missing = [name for name in members if name not in held]
    if missing:
        raise DataError(
            f"archive {path} lacks '{missing[0]}', so it is another one: {cure}."
        )


def seed_download(archive: Path, url: str, data_dir: Path, dataset: str) -> None:
    """Puts an archive where TFDS looks for the download of ``url``.

    TFDS names a download after its address and registered checksum and takes an
    ``.INFO`` file beside it as the sign that it is complete. The archive is copied
    first and marked last, so an interrupted copy is never taken for whole.

    Args:
        archive: A checked archive.
        url: Address that the data set downloads from.
        data_dir: TFDS data directory.
        dataset: TFDS name of the data set.
    """
    place = download_place(url, data_dir, dataset)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        shutil.copyfile(archive, beside)
        os.replace(beside, place)
    finally:
        beside.unlink(missing_ok=True)
    place.with_name(f"{place.name}.INFO").write_text("{}")


def downloaded(url: str, data_dir: Path, dataset: str) -> bool:
    """Whether TFDS holds the download already."""
    place = download_place(url, data_dir, dataset)
    return place.exists() and place.with_name(f"{place.name}.INFO").exists()


def download_place(url: str, data_dir: Path, dataset: str) -> Path:
    """Where TFDS keeps the download of ``url``."""
    from tensorflow_datasets.core.download import checksums, resource

    checksum = checksums.get_all_url_infos()[url].checksum
    return data_dir / "downloads" / dataset / resource.get_dl_fname(url, checksum)


def reachable(url: str) -> bool:
    """Whether ``url`` answers within ten seconds.

    TFDS itself tries ten times, for minutes, before it gives up.
    """
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            return True
    except (urllib.error.URLError, OSError):
        return False
