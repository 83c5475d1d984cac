"""A key to data: events that differ in anything have another one."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from tfrec.data.interactions import Interactions
from tfrec.data.persons import PERSON

if TYPE_CHECKING:
    from tfrec.data.records import Records


def fingerprint(*parts: Interactions | Records) -> str:
    """32 hexadecimal digits that stand for columns, events, their order and tables.

    What is kept on disk for later (a search, an interrupted run) keeps this with it, so
    that it goes on with the same data alone, whatever their name.

    Args:
        *parts: The parts of a split, or data as a whole. Of prepared records the
            digests are read that :func:`~tfrec.data.prepare.prepare` noted.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(json.dumps(part.spec.to_dict(), sort_keys=True).encode())
        if not isinstance(part, Interactions):
            digest.update(part.part.encode())
            digest.update((part.directory / "meta.json").read_bytes())
        columns = part.columns if isinstance(part, Interactions) else {}
        if isinstance(part, Interactions) and part.persons is not None:
            columns = {**columns, PERSON: part.persons.number}
            digest.update(part.persons.unknown.ids.data)
        for table in (columns, part.users, part.items):
            for name in sorted(table):
                values = table[name]
                digest.update(f"{name} {values.dtype} {values.shape}".encode())
                if values.dtype == object:  # files of images and recordings
                    for file in values:
                        digest.update(len(file).to_bytes(8, "little"))
                        digest.update(file)
                else:
                    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
