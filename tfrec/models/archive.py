"""The ``.keras`` file as an archive: what it holds is checked before it is read.

``Model.save`` writes three members, none compressed, and every array of the weights in
one piece. Whatever else an archive holds, it was not written here. So nothing that is
read is larger than the file.
"""

from __future__ import annotations

import json
import zipfile
from typing import Any

import h5py

from tfrec.errors import ModelFileError, listed

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS = ("metadata.json", CONFIG, WEIGHTS)


def read(archive: zipfile.ZipFile) -> tuple[dict[str, Any], int]:
    """Reads the configuration, and checks the weights.

    Args:
        archive: The model file.

    Returns:
        What ``config.json`` holds, and the bytes of the weights.

    Raises:
        ModelFileError: The archive holds what ``save`` does not write, or less.
    """
    names = [member.filename for member in archive.infolist()]
    if sorted(names) != sorted(MEMBERS):
        strange = [name for name in names if name not in MEMBERS] or names
        raise ModelFileError(
            f"it holds {listed(strange)}, and a model file holds {listed(MEMBERS)}, "
            "each once and nothing else."
        )
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ModelFileError(
                f"its {member.filename} is compressed or encrypted, as no model is "
                f"saved, and says to be {member.file_size:,} bytes unpacked."
            )
    damaged = archive.testzip()
    if damaged is not None:
        raise ModelFileError(f"its {damaged} is damaged: the checksum is another.")
    try:
        config = json.loads(archive.read(CONFIG))
    except (ValueError, RecursionError) as why:
        raise ModelFileError(f"its {CONFIG} is no JSON: {why}") from why
    if not isinstance(config, dict):
        raise ModelFileError(f"its {CONFIG} describes no model.")
    size = archive.getinfo(WEIGHTS).file_size
    with archive.open(WEIGHTS) as weights, h5py.File(weights, "r") as arrays:
        fault = _fault(arrays, size)
    if fault is not None:
        raise ModelFileError(f"its weights {fault}.")
    return config, size


def _fault(file: h5py.File, size: int) -> str | None:
    """What in a file of weights is no array of numbers, whole and in this file."""
    left = size

    def fault(name: str, link: Any) -> str | None:
        nonlocal left
        if not isinstance(link, h5py.HardLink):
            return f"{name!r} lie elsewhere, in {_target(link)}"
        found = file[name]
        if isinstance(found, h5py.Group):
            return None
        if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "biuf":
            return f"{name!r} are no numbers, but {found.dtype}"
        if found.external or found.is_virtual:
            return f"{name!r} lie in other files"
        if found.chunks is not None:
            return f"{name!r} are in pieces, as no model is saved"
        left -= found.nbytes
        if left < 0:
            return f"{name!r} say to be {found.nbytes:,} bytes, of {size:,} in all"
        return None

    return file.visititems_links(fault)


def _target(link: Any) -> str:
    file = getattr(link, "filename", "")
    return f"{file}:{link.path}" if file else repr(link.path)
