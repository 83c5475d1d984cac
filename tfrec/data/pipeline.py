"""tf.data pipelines: blocks of events, expanded in the graph, cut into batches.

Work is done on blocks of about 65,000 examples, so per-batch overhead is one slice.
Autotune is off: with in-memory sources its last tick stalls the end of every epoch by
up to five seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import tensorflow as tf

from tfrec.data.histories import histories
from tfrec.data.interactions import Interactions, index_key
from tfrec.data.persons import PERSON, Persons
from tfrec.errors import DataError

if TYPE_CHECKING:
    from tfrec.data.timeline import Timeline
    from tfrec.features import FeatureSpec

BLOCK = 65_536
PREFETCH = 16
YES_NO = (-1, 0, 1)  # labels that say no more than whether an event is positive
Tensors = dict[str, tf.Tensor]
Reader = Callable[[int, bool, tf.Tensor, int | None], tf.data.Dataset]


class Source(Protocol):
    """Where events come from: memory (:class:`Interactions`) or TFRecord files."""

    @property
    def spec(self) -> FeatureSpec:
        """The columns."""

    @property
    def users(self) -> dict[str, np.ndarray]:
        """User-side columns by user index."""

    @property
    def items(self) -> dict[str, np.ndarray]:
        """Item-side columns by item index."""

    @property
    def persons(self) -> Persons | None:
        """Who is behind each event where several people share a user index."""

    @property
    def past(self) -> Source | None:
        """Everything known before these events."""

    @property
    def train(self) -> Source | None:
        """What models learn from, when these events are held out."""

    @property
    def name(self) -> str:
        """What the data is called in tables."""

    @property
    def positives(self) -> Source:
        """The positive events alone; ``known`` holds the pairs of all events."""

    @property
    def whole(self) -> Source | None:
        """The events of which these are the positive ones."""

    @property
    def item_counts(self) -> np.ndarray:
        """``(item table rows,)`` int64 number of positive events of each item index."""

    @property
    def timeline(self) -> Timeline:
        """Positive events by person in time order."""

    @property
    def known(self) -> np.ndarray:
        """Sorted int64 keys ``person * item table rows + item`` of all events."""

    def __len__(self) -> int: ...

    def reader(self, names: tuple[str, ...]) -> Reader:
        """Returns ``(block size, shuffle, seed, rows per user)`` to blocks of events.

        A block is ``{column name: (block, ...)}``, as models are given it: indices,
        numbers, and the timestamp as int64 seconds since 1970. The column ``PERSON`` is
        the person behind each event, a user index or a number beyond the user table.
        """


def taken_so_far(source: Source) -> np.ndarray:
    """Sorted int64 keys ``person * item table rows + item`` of what people have taken.

    In the events and before them: what was taken in training is no negative of a
    held-out event either.
    """
    if source.past is None:
        return source.known
    return np.union1d(source.past.known, source.known)


def training_counts(source: Source) -> np.ndarray:
    """``(item table rows,)`` int64 training events of each item index.

    Those of the events themselves when they are not held out.
    """
    return (source if source.train is None else source.train).item_counts


def seeded_epochs(
    seed: int, epoch: Callable[[tf.Tensor], tf.data.Dataset]
) -> tf.data.Dataset:
    """A data set that is made anew, with another seed, every time it is iterated.

    It is traced without AutoGraph, which would take half of the time.

    Args:
        seed: Seed of the whole sequence of epochs.
        epoch: ``(2,)`` int32 seed of one epoch to that epoch's data.
    """
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    made = tf.autograph.experimental.do_not_convert(
        lambda value: epoch(tf.bitcast(value, tf.int32))
    )
    return seeds.take(1).flat_map(made)


def finish(
    dataset: tf.data.Dataset, batch_size: int | None, size: int
) -> tf.data.Dataset:
    """Cuts blocks into batches, states how many there are and prefetches.

    Args:
        dataset: Blocks of examples, or batches when ``batch_size`` is None.
        batch_size: Examples in a batch; the last may be smaller.
        size: Examples (or batches) in an epoch.
    """
    if batch_size is not None:
        dataset = dataset.rebatch(batch_size)
        size = -(-size // batch_size)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    counted = dataset.apply(tf.data.experimental.assert_cardinality(size))
    return counted.prefetch(PREFETCH).with_options(options)


def row_reader(
    source: Interactions, names: tuple[str, ...]
) -> Callable[[tf.Tensor], Tensors]:
    """Returns row numbers to event columns, by vectorised gather.

    Args:
        source: The events.
        names: Event columns, ``PERSON``, and sequences of items, which are filled with
            the user's history at the event.

    Raises:
        DataError: The events lack one of the columns.
    """
    spec = source.spec
    stored = {PERSON: tf.constant(source.person)} if PERSON in names else {}
    names = tuple(name for name in names if name != PERSON)
    for name in names:
        if name not in source.columns and getattr(spec[name], "of", None) != spec.item:
            raise DataError(
                f"{source.name} has no values for column '{name}': load it, or drop it "
                "with spec.select(...)."
            )
    stored |= {n: tf.constant(source.inputs(n)) for n in names if n in source.columns}
    sequences = {n: spec.length(n) or 1 for n in names if n not in stored}
    history = histories(source) if sequences else None

    def gather(rows: tf.Tensor) -> Tensors:
        block = {name: tf.gather(values, rows) for name, values in stored.items()}
        if history is not None:
            for name, length in sequences.items():
                block[name] = history(rows, length)
        return block

    return gather


def memory_reader(source: Interactions, names: tuple[str, ...]) -> Reader:
    """Reads blocks of in-memory interactions; see :func:`row_reader`."""
    gather = row_reader(source, names)

    def read(block: int, shuffle: bool, seed: tf.Tensor, per_user: int | None) -> Any:
        rows = tf.range(len(source), dtype=tf.int64)
        if per_user is not None:
            rows = tf.random.experimental.stateless_shuffle(rows, seed)
            rows = first_of_each_user(rows, tf.constant(source.person), per_user)
        if shuffle:
            rows = tf.random.experimental.stateless_shuffle(rows, seed + 1)
        n = tf.size(rows, tf.int64)
        starts = tf.data.Dataset.range(0, n, block)
        return starts.map(lambda s: gather(rows[s : tf.minimum(s + block, n)]))

    return read


def first_of_each_user(rows: tf.Tensor, users: tf.Tensor, limit: int) -> tf.Tensor:
    """Keeps the first ``limit`` rows of each user.

    Args:
        rows: ``(n,)`` row numbers in some order.
        users: ``(all,)`` user by row number.
        limit: Rows to keep of each user.
    """
    owner = tf.gather(users, rows)
    order = tf.argsort(owner, stable=True)
    owner = tf.gather(owner, order)
    place = tf.range(tf.size(owner))
    rank = place - tf.searchsorted(owner, owner)
    return tf.gather(rows, tf.boolean_mask(order, rank < limit))


def side_tables(source: Source, names: tuple[str, ...]) -> Callable[[Tensors], Tensors]:
    """Adds user and item columns to events by gather.

    Images and recordings of items are left out: a block would hold each many times, and
    models look them up by item.

    Args:
        source: Whose tables.
        names: Columns wanted; those that stand in no table are left to the events.
    """
    spec = source.spec
    users = {n: tf.constant(source.users[n]) for n in names if n in source.users}
    items = {
        n: tf.constant(source.items[n])
        for n in names
        if n in source.items and spec[n].kind not in ("image", "audio")
    }

    def attach(events: Tensors) -> Tensors:
        result = dict(events)
        for table, key in ((users, spec.user), (items, spec.item)):
            for name, values in table.items():
                if name != key:
                    result[name] = tf.gather(values, events[key])
        return result

    return attach


def check_events(source: Source) -> None:
    """Raises ValueError when there is no event."""
    if not len(source):
        raise DataError("there are no events to learn from: check the file and split.")


def check_finite(source: Source) -> None:
    """Refuses labels in memory that are no numbers; ``prepare`` refuses those on disk.

    Raises:
        DataError: A label is NaN or infinite.
    """
    if not isinstance(source, Interactions) or source.spec.label not in source.columns:
        return
    wrong = np.flatnonzero(~np.isfinite(source.label))
    if len(wrong):
        raise DataError(
            f"{len(wrong)} of {len(source)} values of '{source.spec.label}' in "
            f"{source.name} are no numbers, the first in row {wrong[0]} "
            f"({source.label[wrong[0]]:g}): leave those events out with "
            "data.take(np.isfinite(data.label))."
        )


def labels_of(source: Source) -> np.ndarray:
    """``(n,)`` labels, those of the first block where events are on disk.

    None where the events have no label.
    """
    label = source.spec.label
    if isinstance(source, Interactions):
        return np.asarray(source.columns.get(str(label), ()))
    if label is None or not len(source):
        return np.empty(0)
    blocks = source.reader((label,))(BLOCK, False, tf.zeros(2, tf.int32), None)
    return next(iter(blocks))[label].numpy()


def check_labels(source: Source, binary: bool) -> None:
    """Refuses labels that the target cannot be.

    Of events on disk the first block is looked at.

    Args:
        source: The events, of which the label is the target.
        binary: Whether the target says only whether the label is positive.

    Raises:
        DataError: A label is no number, or the target is binary, labels are more than
            yes and no, and no rule says which are positive, or by the rule all in
            memory are.
    """
    spec = source.spec
    check_finite(source)
    if not binary:
        return
    values = labels_of(source)
    other = values[~np.isin(values, YES_NO)]
    if len(other) and spec.min_label is not None:
        if isinstance(source, Interactions) and spec.positive(values).all():
            raise DataError(
                f"label '{spec.label}' is {spec.min_label:g} or more in every event, "
                "and log loss has nothing to tell apart: set a higher min_label "
                "(--min-label), or negatives=4 to learn from events against drawn "
                "items."
            )
    elif len(other):
        raise DataError(
            f"label '{spec.label}' has the value {other[0]:g} and log loss takes yes "
            "and no: say with min_label (--min-label) which labels are positive, or "
            "set negatives=4 to learn from events against drawn items."
        )


def say_rule(source: Source) -> None:
    """Warns that labels of more than yes and no are positive, where no rule says it."""
    spec = source.spec
    if spec.label is None or spec.min_label is not None:
        return
    if not np.isin(labels_of(source), YES_NO).all():
        warnings.warn(
            f"every event of a '{spec.label}' above 0 is learned as a positive one, "
            "whatever its value: set min_label (--min-label) where some are not.",
            stacklevel=4,
        )


def event_columns(source: Source, names: tuple[str, ...]) -> tuple[str, ...]:
    """The ids and those of ``names`` that stand in no side table."""
    spec = source.spec
    ids = (spec.user, spec.item)
    tables = {*source.users, *source.items, *ids}
    return (*ids, *(name for name in names if name not in tables))


def keyed(spec: FeatureSpec, block: Tensors) -> Tensors:
    """Batch keys: ``name/index`` for looked-up columns, the name for plain numbers."""
    return {index_key(spec[n].kind, n): block[n] for n in block if n in spec}


def expanded_blocks(
    read: Reader,
    expand: Callable[[Tensors, tf.Tensor], Any],
    batch_size: int,
    shuffle: bool,
    growth: int = 1,
    per_user: int | None = None,
) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Reads blocks of events, expands them to examples and shuffles those.

    Args:
        read: Of :meth:`Source.reader`.
        expand: A block of events and a seed to a structure of examples.
        batch_size: Examples in a batch; a block holds at least that many.
        shuffle: Whether events, and the examples of a block, are shuffled.
        growth: Examples that an event makes.
        per_user: Events of each user to keep.

    Returns:
        An epoch's seed to its blocks of examples.
    """
    size = max(1, max(BLOCK, batch_size) // growth)

    def epoch(seed: tf.Tensor) -> tf.data.Dataset:
        def make(number: tf.Tensor, events: Tensors) -> Any:
            block_seed = seed + tf.stack([0, 1000 * tf.cast(number, tf.int32)])
            rows = expand(events, block_seed)
            if shuffle and growth > 1:
                count = tf.shape(tf.nest.flatten(rows)[0])[0]
                order = tf.random.experimental.stateless_shuffle(
                    tf.range(count), block_seed + 1
                )
                rows = tf.nest.map_structure(lambda t: tf.gather(t, order), rows)
            return rows

        return read(size, shuffle, seed, per_user).enumerate().map(make)

    return epoch
