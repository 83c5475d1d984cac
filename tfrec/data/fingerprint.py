"""A key to data: events that differ in anything have another one.

Keys are compared without TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.data.records import Records

PARTS = ("training", "validation", "test")


def fingerprint(*parts: Interactions | Records) -> str:
    """A text that stands for columns, events, their order and tables.

    What is kept on disk for later (a search, an interrupted run) keeps this with it, so
    that it goes on with the same data alone, whatever their name. A line says of a
    thing how many there are, or has 32 hexadecimal digits that stand for its values;
    :func:`difference` puts into words which lines of two texts differ.

    Args:
        *parts: Training, validation and test events, or the first of them. Of prepared
            records the digests are read that :func:`~tfrec.data.prepare.prepare` noted.
    """
    named = list(zip(PARTS, parts, strict=False))
    lines = [f"{name} events: {len(part)}" for name, part in named]
    for name, part in named:
        for what, digest in (*_values(part), *_definitions(part)):
            lines.append(f"{what} in the {name} events: blake2b-{digest}")
    return "\n".join(lines)


def difference(before: str, now: str, data: str) -> str | None:
    """What differs first, to stand after "with".

    Args:
        before: The fingerprint of the data as they were.
        now: That of the data as they are.
        data: The name of the data, or of their file.

    Returns:
        Words such as ``100 training events, and ratings.csv has 101 now``; None for
        equal fingerprints.
    """
    old, new = (
        dict(line.rpartition(": ")[::2] for line in text.splitlines())
        for text in (before, now)
    )
    for what in {**old, **new}:
        if what not in old:
            return f"no {what}, which {data} has now"
        if what not in new:
            return f"{what}, which {data} no longer has"
        if old[what].isdecimal() and old[what] != new[what]:
            return f"{old[what]} {what}, and {data} has {new[what]} now"
        if old[what] != new[what]:
            return f"other {what} than {data} has now"
    return None


def _values(part: Interactions | Records) -> Iterator[tuple[str, str]]:
    """What there are values of, and the digest of these."""
    from tfrec.data.interactions import Interactions
    from tfrec.data.persons import PERSON

    if not isinstance(part, Interactions):
        content = (part.directory / "meta.json").read_bytes()
        yield "prepared files", _digest(part.part.encode(), content)
        columns = {}
    else:
        columns = part.columns
        if part.persons is not None:
            columns = {**columns, PERSON: part.persons.number}
            yield "unknown users", _digest(part.persons.unknown.ids.data)
    for table in (columns, part.users, part.items):
        for name in sorted(table):
            yield f"values of column {name!r}", _digest(*_bytes(table[name]))


def _definitions(part: Interactions | Records) -> Iterator[tuple[str, str]]:
    """The columns of a spec, each with its vocabulary, and what they stand for."""
    spec = part.spec.to_dict()
    for column in spec.pop("columns"):
        what = f"vocabulary or settings of column {column['name']!r}"
        yield what, _digest(_json(column))
    yield "roles of the columns", _digest(_json(spec))


def _bytes(values: np.ndarray) -> Iterator[Any]:
    yield f"{values.dtype} {values.shape}".encode()
    if values.dtype == object:  # files of images and recordings
        for file in values:
            yield len(file).to_bytes(8, "little")
            yield file
    else:
        yield np.ascontiguousarray(values).data


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(*content: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()
