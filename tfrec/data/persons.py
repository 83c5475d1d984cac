"""Who is behind an event whose user index several people share.

A user of the vocabulary has an index of her own. Users outside of it (unknown, or too
rare for it) share one, and so do hashed users: a bucket is nobody. Such people are told
apart by a fingerprint of their raw ids and get numbers beyond the user table. What
means a row of the table goes by the index; what means a person goes by the number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfrec.columns import Categorical

if TYPE_CHECKING:
    import tensorflow as tf

    from tfrec.data.interactions import Interactions
    from tfrec.data.pipeline import Source
    from tfrec.data.timeline import Timeline

PERSON = "person/number"  # what a reader of blocks calls the number
BITS = 62


def id_fingerprints(raw: tf.Tensor) -> tf.Tensor:
    """``(n,)`` raw ids to ``(n,)`` int64 fingerprints (FarmHash), the same everywhere.

    Among a million people the odds that any two are taken for one are one to nine
    million.
    """
    import tensorflow as tf

    text = raw if raw.dtype == tf.string else tf.strings.as_string(raw)
    return tf.strings.to_hash_bucket_fast(text, 2**BITS)


def first_own(column: Categorical) -> int:
    """Lowest user index that is one person's own; past the last one where none is."""
    return column.first if column.hash_bins is None else column.size


@dataclass(frozen=True, eq=False)
class UnknownUsers:
    """People without an index of their own, hashed users among them.

    Attributes:
        size: Rows of the user table, the number of the first of them.
        ids: ``(m,)`` int64 fingerprints, ascending.
        user: ``(m,)`` int32, the index that each shares.
    """

    size: int
    ids: np.ndarray
    user: np.ndarray

    @classmethod
    def of(
        cls, column: Categorical, users: np.ndarray, fingerprints: np.ndarray
    ) -> UnknownUsers:
        """Those behind ``(n,)`` events, by user index and fingerprint."""
        here = users < first_own(column)
        ids, first = np.unique(fingerprints[here], return_index=True)
        return cls(column.size, ids, users[here][first].astype(np.int32))

    def numbers(self, fingerprints: np.ndarray) -> np.ndarray:
        """``(n,)`` int32 numbers of people who share an index."""
        found = self.size + np.searchsorted(self.ids, fingerprints)
        return found.astype(np.int32)

    def users(self, people: np.ndarray) -> np.ndarray:
        """``(n,)`` numbers of people to their ``(n,)`` user indices."""
        result = people.copy()
        beyond = people >= self.size
        result[beyond] = self.user[people[beyond] - self.size]
        return result


@dataclass(frozen=True, eq=False)
class Persons:
    """The person behind each event.

    Attributes:
        number: ``(n,)`` int32: the user index of who has one of her own, the place
            among the unknown users, after the user table, of who has not.
        unknown: Those who have not; parts of one data set share them.
    """

    number: np.ndarray
    unknown: UnknownUsers

    @classmethod
    def of(
        cls,
        column: Categorical,
        users: np.ndarray,
        fingerprints: np.ndarray,
        unknown: UnknownUsers | None = None,
    ) -> Persons | None:
        """The people behind events; None where all have indices of their own.

        Args:
            column: The user column.
            users: ``(n,)`` user indices.
            fingerprints: ``(n,)`` int64 of their raw ids.
            unknown: Whom to number; those of these events by default.
        """
        here = users < first_own(column)
        if not here.any():
            return None
        unknown = unknown or UnknownUsers.of(column, users, fingerprints)
        number = users.copy()
        number[here] = unknown.numbers(fingerprints[here])
        return cls(number, unknown)

    def among(self, unknown: UnknownUsers) -> Persons:
        """The same people, numbered among others too."""
        number, own = self.number.copy(), self.unknown
        beyond = number >= own.size
        ids = own.ids[number[beyond] - own.size]
        number[beyond] = unknown.numbers(ids)
        return Persons(number, unknown)


def rows_of(source: Source) -> Timeline:
    """Events by row of the user table; see :meth:`Timeline.by_row`."""
    persons = source.persons
    return source.timeline.by_row(None if persons is None else persons.unknown)


def numbered_alike(*parts: Interactions | None) -> list[Persons | None]:
    """The people of some parts, each person with one number in all of them.

    Args:
        *parts: Events with the same user column; None is passed over.

    Returns:
        The people of each part, the very object where its numbers stay; None where the
        part is None or nobody in any part shares an index.
    """
    known = [part.persons for part in parts if part is not None and part.persons]
    if not known:
        return [None] * len(parts)
    unknown = known[0].unknown
    for other in known[1:]:
        unknown = _both(unknown, other.unknown)
    return [
        None if part is None else _among(part, part.persons, unknown) for part in parts
    ]


def _among(
    part: Interactions, persons: Persons | None, unknown: UnknownUsers
) -> Persons:
    if persons is None:
        return Persons(part.user, unknown)
    return persons if persons.unknown is unknown else persons.among(unknown)


def _both(one: UnknownUsers, other: UnknownUsers) -> UnknownUsers:
    if one is other or np.array_equal(one.ids, other.ids):
        return one
    ids, first = np.unique(np.append(one.ids, other.ids), return_index=True)
    return UnknownUsers(one.size, ids, np.append(one.user, other.user)[first])


def anonymous(data: Interactions) -> Persons | None:
    """People of events that are told by their indices alone.

    Nobody knows who is behind an index outside the vocabulary: each such event is that
    of somebody else. Buckets of hashed users are taken for people, for want of better.
    """
    column, users = data.spec.user_column, data.user
    if column.hash_bins is not None or not len(users) or users.min() >= column.first:
        return None
    digest = hashlib.blake2b(np.ascontiguousarray(data.item).data, digest_size=7)
    if data.timestamp is not None:
        digest.update(np.ascontiguousarray(data.timestamp).data)
    first = int.from_bytes(digest.digest(), "little")
    return Persons.of(column, users, first + np.arange(len(users)))


def names(source: Source, people: np.ndarray) -> list:
    """Raw ids of people, for messages; unknown users have none here."""
    column = source.spec.user_column
    own = people[people < column.size]
    ids = own if column.hash_bins else source.spec.decode(column.name, own)
    return [*ids.tolist(), *["(unknown)"] * (len(people) - len(own))]
