"""Events on disk, read block by block like those in memory."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec.columns import PADDING
from tfrec.data.persons import PERSON, Persons, UnknownUsers, first_own, id_fingerprints
from tfrec.data.timeline import SECOND, Timeline
from tfrec.errors import ConfigError, DataError, did_you_mean
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    import tensorflow as tf

    from tfrec.data.interactions import Columns
    from tfrec.data.pipeline import Reader, Tensors
    from tfrec.data.views import View
    from tfrec.models.base import Recommender

BUFFER = 8 << 20
FINGERPRINT = "person/fingerprint"  # what a decoder calls that of the raw user id
TOGETHER = 4


@dataclass(frozen=True, eq=False)
class Records:
    """One part of prepared data; what views read, and models learn from.

    Attributes:
        directory: The prepared directory.
        part: ``train``, ``valid`` or ``test``, or several with a comma.
        spec: The columns.
        files: Shards in order.
        rows: Events.
        stored: Columns that the records hold.
        users: User-side columns by user index.
        items: Item-side columns by item index.
        past: Everything known before these events: the parts before this one.
        train: The training part, when this is another.
        all_parts: All parts of the directory, when this is one of them.
        whole: The events of which these are the positive ones, see :attr:`positives`.
    """

    directory: Path
    part: str
    spec: FeatureSpec
    files: tuple[str, ...]
    rows: int
    stored: tuple[str, ...]
    users: Columns
    items: Columns
    past: Records | None = None
    train: Records | None = None
    all_parts: Records | None = None
    whole: Records | None = None

    def __len__(self) -> int:
        return self.rows

    @property
    def name(self) -> str:
        """What the data is called in tables."""
        return f"{self.directory.name}, {self.part}"

    def batches(
        self,
        learner: Recommender | View,
        batch_size: int = 4096,
        shuffle: bool = True,
        seed: int = 0,
    ) -> tf.data.Dataset:
        """As :meth:`tfrec.data.interactions.Interactions.batches`, from disk."""
        from tfrec.data.views import batches

        return batches(self, learner, batch_size, shuffle, seed)

    def reader(self, names: tuple[str, ...]) -> Reader:
        """Blocks of columns as models are given them; see ``pipeline.Source``.

        Shuffled blocks come from a few shards in turn, in random order; the rows of the
        training shards were shuffled when they were written.

        Raises:
            ValueError: The records lack a column.
        """
        time, stored = self.spec.timestamp, self._with_persons(names)
        if time not in names:
            return stored

        def in_seconds(block: Tensors) -> Tensors:
            return {**block, time: block[time] // SECOND}

        return lambda *asked: stored(*asked).map(in_seconds)

    def _with_persons(self, names: tuple[str, ...]) -> Reader:
        """Blocks of columns as they are stored, and of people where they are asked."""
        if PERSON not in names:
            return self._event_reader(names)
        import tensorflow as tf

        user, column = self.spec.user, self.spec.user_column
        names = tuple(name for name in names if name != PERSON)
        if self.persons is None:
            stored = self._event_reader(names)
            return lambda *asked: stored(*asked).map(lambda b: {**b, PERSON: b[user]})
        ids = tf.constant(self.unknown.ids)
        stored = self._event_reader((*names, FINGERPRINT))

        def numbered(block: Tensors) -> Tensors:
            number = column.size + tf.searchsorted(ids, block[FINGERPRINT])
            person = tf.where(block[user] < first_own(column), number, block[user])
            kept = {name: values for name, values in block.items() if name in names}
            return {**kept, PERSON: person}

        return lambda *asked: stored(*asked).map(numbered)

    def _event_reader(self, names: tuple[str, ...]) -> Reader:
        """Blocks of columns as they are stored, of positive events where so wanted."""
        import tensorflow as tf

        if self.whole is None:
            return self._stored_reader(names)
        label = str(self.spec.label)
        read = self._stored_reader(tuple(dict.fromkeys((*names, label))))

        def positive(block: Tensors) -> Tensors:
            kept = self.spec.positive(block[label])
            return {name: tf.boolean_mask(block[name], kept) for name in names}

        return lambda *asked: read(*asked).map(positive)

    def _stored_reader(self, names: tuple[str, ...]) -> Reader:
        """Blocks of columns as they are stored, times in microseconds."""
        import tensorflow as tf

        decode = self._decoder(names)
        files = tf.constant(list(self.files), tf.string, (len(self.files),))

        def read(
            block: int, shuffle: bool, seed: tf.Tensor, per_user: int | None
        ) -> tf.data.Dataset:
            if per_user is not None:
                raise ConfigError(
                    "a fixed number of examples per user needs the events in memory."
                )
            if not shuffle:
                records = tf.data.TFRecordDataset(files, buffer_size=BUFFER)
            else:
                order = tf.random.experimental.stateless_shuffle(files, seed)
                records = tf.data.Dataset.from_tensor_slices(order).interleave(
                    lambda file: tf.data.TFRecordDataset(file, buffer_size=BUFFER),
                    cycle_length=TOGETHER,
                    num_parallel_calls=2,
                    deterministic=True,
                )
            blocks = records.batch(block).enumerate()

            def rows(number: tf.Tensor, serialised: tf.Tensor) -> Tensors:
                if shuffle:
                    own = seed + tf.stack([1, tf.cast(number, seed.dtype)])
                    serialised = tf.random.experimental.stateless_shuffle(
                        serialised, own
                    )
                return decode(serialised)

            return blocks.map(rows, num_parallel_calls=2, deterministic=True)

        return read

    def _decoder(self, names: tuple[str, ...]) -> Any:
        """Serialised examples to columns in the model's numbers, by block.

        The fingerprint of the user's raw id is no column and may be asked for too.
        """
        import tensorflow as tf

        from tfrec.layers.inputs import lookup

        spec, parse = self.spec, self.spec.parse_spec()
        who = FINGERPRINT in names
        names = tuple(name for name in names if name != FINGERPRINT)
        for name in names:
            if name not in self.stored:
                raise DataError(
                    f"the records in {self.directory} hold no '{name}'; "
                    f"{did_you_mean(name, self.stored)}"
                )
        wanted = {name: parse[name] for name in names}
        lookups = {
            name: lookup(spec, name)
            for name in names
            if name in spec and spec[name].kind in ("categorical", "sequence", "text")
        }

        def decode(serialised: tf.Tensor) -> Tensors:
            result = {}
            for name, values in tf.io.parse_example(serialised, wanted).items():
                if isinstance(values, tf.RaggedTensor):
                    values = values.to_tensor(PADDING[spec.raw_dtype(name)])
                if who and name == spec.user:
                    result[FINGERPRINT] = id_fingerprints(values)
                result[name] = lookups[name](values) if name in lookups else values
            return result

        return decode

    def columns(self, names: tuple[str, ...]) -> Columns:
        """Whole columns in memory, in file order, times in microseconds.

        Raises:
            DataError: A shard is damaged, or the records lack a column.
        """
        import tensorflow as tf

        read = self._event_reader(names)(1 << 16, False, tf.zeros(2, tf.int32), None)
        try:
            blocks = list(read.as_numpy_iterator())
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            raise DataError(
                f"a shard among {self.files[0]} ... is truncated or damaged, or does "
                "not fit spec.json: prepare the data again."
            ) from error
        if not blocks:  # a part that was wanted empty
            blocks = [self._decoder(names)(tf.constant([], tf.string))]
        return {n: np.concatenate([block[n] for block in blocks]) for n in names}

    @cached_property
    def _events(self) -> Columns:
        spec = self.spec
        time = (spec.timestamp,) if spec.timestamp else ()
        return self.columns((spec.user, spec.item, *time))

    @cached_property
    def unknown(self) -> UnknownUsers:
        """Users of all parts of the directory who share an index."""
        every = self.all_parts or self.whole
        if every is not None:
            return every.unknown
        columns = self.columns((self.spec.user, FINGERPRINT))
        users = columns[self.spec.user]
        return UnknownUsers.of(self.spec.user_column, users, columns[FINGERPRINT])

    @cached_property
    def persons(self) -> Persons | None:
        """Who is behind each event where several people share a user index."""
        column, users = self.spec.user_column, self._events[self.spec.user]
        if not (users < first_own(column)).any():
            return None
        fingerprints = self.columns((column.name, FINGERPRINT))[FINGERPRINT]
        return Persons.of(column, users, fingerprints, self.unknown)

    @property
    def person(self) -> np.ndarray:
        """As :attr:`tfrec.data.interactions.Interactions.person`."""
        users = self._events[self.spec.user]
        return users if self.persons is None else self.persons.number

    @cached_property
    def label(self) -> np.ndarray:
        """``(n,)`` float32 labels, read whole.

        Raises:
            DataError: The spec names no label.
        """
        if self.spec.label is None:
            raise DataError(f"{self.name} has no label; name one when preparing.")
        return self.columns((self.spec.label,))[self.spec.label]

    @cached_property
    def positive(self) -> np.ndarray:
        """``(n,)`` bool in file order: events of a positive label; all without one."""
        if self.whole is not None or self.spec.label not in self.stored:
            return np.ones(self.rows, bool)
        return self.spec.positive(self.label)

    @cached_property
    def positives(self) -> Records:
        """The positive events alone; :attr:`known` holds the pairs of all events."""
        if self.positive.all():
            return self
        rows = int(np.sum(self.positive))
        return dataclasses.replace(self, rows=rows, whole=self)

    @cached_property
    def timeline(self) -> Timeline:
        """Positive events by person in time order.

        Twenty bytes an event stay in memory.
        """
        spec, events = self.spec, self._events
        people = spec.user_column.size
        if self.persons is not None:
            people += len(self.unknown.ids)
        line = Timeline.of(
            self.person,
            events[spec.item],
            events[spec.timestamp] if spec.timestamp else None,
            people,
        )
        return line if self.positive.all() else line.of_rows(self.positive)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """``(item table rows,)`` int64 number of positive events of each item index."""
        items = self._events[self.spec.item][self.positive]
        return np.bincount(items, minlength=self.spec.item_column.size)

    @cached_property
    def known(self) -> np.ndarray:
        """Sorted int64 keys ``person * item table rows + item`` of all events.

        Of any label, as of :attr:`tfrec.data.interactions.Interactions.known`.
        """
        if self.whole is not None:
            return self.whole.known
        keys = self.person.astype(np.int64) * self.spec.item_column.size
        return np.unique(keys + self._events[self.spec.item])
