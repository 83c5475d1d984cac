"""Who did what when: the events of a data set with its user and item tables."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec.data.persons import Persons, anonymous, numbered_alike
from tfrec.data.timeline import SECOND, Timeline
from tfrec.errors import ConfigError, DataError
from tfrec.features import FeatureSpec, Sequence

if TYPE_CHECKING:
    import tensorflow as tf

    from tfrec.data.knowledge import KnowledgeGraph
    from tfrec.data.pipeline import Reader
    from tfrec.data.views import View
    from tfrec.models.base import Recommender

Columns = dict[str, np.ndarray]
BELONGING = ("past", "train", "given", "whole")  # attributes that are events too


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events in memory, in the model's numbers.

    Attributes:
        spec: The columns.
        columns: Event columns: int32 indices, float32 numbers, the label as float32,
            the timestamp as int64 microseconds since 1970; ``(n,)`` or
            ``(n, length)``.
        users: User-side columns by user index, padding and unknown rows included.
        items: Item-side columns by item index, padding and unknown rows included.
        item_names: Titles by item index, for people to read; None when there are none.
        name: What the data is called in tables.
        past: Everything that happened before these events: seen items and, unless
            ``given`` says less, histories.
        train: What models compared on these events may learn from.
        given: What models may read of users, their histories and who is known at all,
            where it is less than ``past``. Of the test part of a split it is training:
            a model that reads histories shall not know of validation when one that
            knows users by training does not.
        ordered: Whether the events have an order, of their timestamps or else of their
            rows. Where a source tells only what users took, not when, a history holds
            the user's other events instead of the earlier ones.
        graph: What is known of the items beside their columns.
        persons: Who is behind each event where several people share a user index; None
            where nobody does. Readers tell people by their raw ids; without that, each
            event of an unknown user is that of somebody else.
        whole: The events of which these are the positive ones, see :attr:`positives`.
    """

    spec: FeatureSpec
    columns: Columns
    users: Columns = field(default_factory=dict)
    items: Columns = field(default_factory=dict)
    item_names: np.ndarray | None = None
    name: str = "interactions"
    past: Interactions | None = None
    train: Interactions | None = None
    given: Interactions | None = None
    ordered: bool = True
    graph: KnowledgeGraph | None = None
    persons: Persons | None = None
    whole: Interactions | None = None

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != len(self.user):
                raise DataError(
                    f"column '{name}' has {len(values)} rows and '{self.spec.user}' "
                    f"has {len(self.user)}: every event column needs one value per "
                    "event."
                )
        if self.persons is None:
            object.__setattr__(self, "persons", anonymous(self))
        elif len(self.persons.number) != len(self):
            raise DataError(
                f"{self.name} has {len(self)} events and the people behind "
                f"{len(self.persons.number)}: take rows with data.take(...), or give "
                "persons too."
            )
        self._number_alike()

    def _number_alike(self) -> None:
        """Gives everybody the same number here and in all that belongs to it."""
        parts = {name: getattr(self, name) for name in BELONGING}
        own, *others = numbered_alike(self, *parts.values())
        object.__setattr__(self, "persons", own)
        made: dict[int, Interactions] = {}  # what is one object stays one
        for (name, part), persons in zip(parts.items(), others, strict=True):
            if part is not None and part.persons is not persons:
                if id(part) not in made:
                    made[id(part)] = dataclasses.replace(part, persons=persons)
                object.__setattr__(self, name, made[id(part)])

    def __len__(self) -> int:
        return len(self.columns[self.spec.user])

    def __repr__(self) -> str:
        users, items = len(np.unique(self.person)), len(np.unique(self.item))
        return (
            f"Interactions({self.name}: {len(self):,} events, {users:,} users, "
            f"{items:,} items)"
        )

    @property
    def user(self) -> np.ndarray:
        """``(n,)`` int32 user indices."""
        return self.columns[self.spec.user]

    @property
    def item(self) -> np.ndarray:
        """``(n,)`` int32 item indices."""
        return self.columns[self.spec.item]

    @property
    def person(self) -> np.ndarray:
        """``(n,)`` int32 person behind each event.

        The user index of those who have one of their own; users who share one (unknown,
        hashed) have numbers from the size of the user table on.
        """
        return self.user if self.persons is None else self.persons.number

    @property
    def people(self) -> int:
        """Length of what is counted by person: user table rows and unknown users."""
        unknown = 0 if self.persons is None else len(self.persons.unknown.ids)
        return self.spec.user_column.size + unknown

    def index_of(self, people: np.ndarray) -> np.ndarray:
        """``(n,)`` numbers of people to their ``(n,)`` user indices."""
        return people if self.persons is None else self.persons.unknown.users(people)

    @property
    def label(self) -> np.ndarray:
        """``(n,)`` float32 labels.

        Raises:
            DataError: The spec names no label.
        """
        if self.spec.label is None:
            raise DataError(f"{self.name} has no label; name one in its spec.")
        return self.columns[self.spec.label]

    @property
    def timestamp(self) -> np.ndarray | None:
        """``(n,)`` int64 microseconds since 1970, or None."""
        return self.columns[self.spec.timestamp] if self.spec.timestamp else None

    @property
    def seconds(self) -> np.ndarray | None:
        """``(n,)`` int64 whole seconds since 1970, what a model is asked with."""
        return None if self.timestamp is None else self.timestamp // SECOND

    @property
    def readable(self) -> Interactions | None:
        """What models may read of users: ``given``, or ``past`` where all of it is."""
        return self.past if self.given is None else self.given

    def inputs(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        """Values of an event column as models are given them.

        Args:
            name: The column.
            rows: Indices, a mask or a slice; all events by default.

        Returns:
            The values of the column; of the timestamp whole seconds since 1970.
        """
        values = self.columns[name][rows]
        return values // SECOND if name == self.spec.timestamp else values

    def raw(self, name: str) -> np.ndarray:
        """A column as its raw ids."""
        return self.spec.decode(name, self.columns[name])

    @cached_property
    def positive(self) -> np.ndarray:
        """``(n,)`` bool: events of a positive label; all where there is no label."""
        if self.spec.label not in self.columns:
            return np.ones(len(self), bool)
        return self.spec.positive(self.label)

    @cached_property
    def positives(self) -> Interactions:
        """The positive events alone.

        What users saw and did not like is known all the same: :attr:`known` holds the
        pairs of all events.
        """
        if self.positive.all():
            return self
        return self.take(self.positive, whole=self)

    @cached_property
    def all_events(self) -> Timeline:
        """Events by person in time order, whatever their label."""
        return Timeline.of(self.person, self.item, self.timestamp, self.people)

    @cached_property
    def timeline(self) -> Timeline:
        """Positive events by person in time order: what histories are made of."""
        if self.positive.all():
            return self.all_events
        return self.all_events.of_rows(self.positive)

    @cached_property
    def places(self) -> np.ndarray:
        """``(n,)`` int64 by row: its place among the items of the timeline.

        Of an event that is not positive it is the place of the next one that is.
        """
        order = self.all_events.order
        positive = self.positive[order]
        result = np.empty(len(self), np.int64)
        result[order] = np.cumsum(positive) - positive
        return result

    @cached_property
    def item_counts(self) -> np.ndarray:
        """``(item table rows,)`` int64 number of positive events of each item index."""
        items = self.item[self.positive]
        return np.bincount(items, minlength=self.spec.item_column.size)

    @cached_property
    def known(self) -> np.ndarray:
        """Sorted int64 keys ``person * item table rows + item`` of all events.

        Of events of any label: an item that a user saw and disliked is one that the
        user has seen, neither recommended again nor drawn as a negative.
        """
        if self.whole is not None:
            return self.whole.known
        size = self.spec.item_column.size
        return np.unique(self.person.astype(np.int64) * size + self.item)

    def take(self, rows: np.ndarray, **changes: Any) -> Interactions:
        """The events at ``rows`` (indices or a mask), same tables."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        changes = {"whole": None, **changes}
        if self.persons is not None:
            number = self.persons.number[rows]
            changes = {"persons": Persons(number, self.persons.unknown), **changes}
        return dataclasses.replace(self, columns=columns, **changes)

    def concat(self, other: Interactions) -> Interactions:
        """Events of both, the tables of the first."""
        columns = {
            name: np.concatenate([values, other.columns[name]])
            for name, values in self.columns.items()
        }
        one, two = numbered_alike(self, other)
        persons = None
        if one is not None and two is not None:
            number = np.concatenate([one.number, two.number])
            persons = Persons(number, one.unknown)
        return dataclasses.replace(self, columns=columns, persons=persons, whole=None)

    def with_spec(self, spec: FeatureSpec) -> Interactions:
        """The same events read through a spec with fewer columns.

        So is all that belongs to them: what came before, and what models learn from.
        """
        keep = {c.name for c in spec.columns} | {spec.label, spec.timestamp}

        def narrow(table: Columns) -> Columns:
            return {name: values for name, values in table.items() if name in keep}

        parts = {n: p for n in BELONGING if (p := getattr(self, n)) is not None}
        made = {id(part): part.with_spec(spec) for part in parts.values()}
        return dataclasses.replace(
            self,
            spec=spec,
            columns=narrow(self.columns),
            users=narrow(self.users),
            items=narrow(self.items),
            **{name: made[id(part)] for name, part in parts.items()},
        )

    def with_min_label(self, min_label: float | None) -> Interactions:
        """The same events by another rule of which are positive.

        Args:
            min_label: Labels from here on are; None for those above 0.

        Raises:
            ValueError: There is no label, or ``min_label`` is no finite number.
        """
        return self.with_spec(dataclasses.replace(self.spec, min_label=min_label))

    def split(
        self, how: str = "temporal", **options: Any
    ) -> tuple[Interactions, Interactions, Interactions]:
        """Splits into train, validation and test.

        Args:
            how: ``temporal`` (one global cut, the default), ``leave_last_out`` or
                ``random``; :mod:`tfrec.data.split` says what each leaks.
            **options: Arguments of the split.

        Returns:
            ``(train, valid, test)``; ``past`` and ``train`` of the last two are set,
            and ``given`` of the test. :meth:`refitted` makes a test for models that are
            fitted again on training and validation.

        Raises:
            ValueError: Unknown split, or the split needs a timestamp there is not.
        """
        from tfrec.data import split

        rows = split.get(how)(self, **options)
        train = self.take(rows[0], name=f"{self.name}, {how} train")
        valid = self.take(
            rows[1], name=f"{self.name}, {how} validation", past=train, train=train
        )
        test = self.take(
            rows[2],
            name=f"{self.name}, {how} test",
            past=train.concat(valid),
            train=train,
            given=train,
        )
        return train, valid, test

    def refitted(self) -> Interactions:
        """These test events for models that learned from all before them.

        From training and validation, which are ``train`` of the result; histories hold
        both.

        Raises:
            ConfigError: Nothing is known of what came before.
        """
        if self.past is None:
            raise ConfigError(
                f"{self.name} has no past to fit models to again: take the test part "
                "of data.split(...)."
            )
        name = f"{self.name} after training and validation"
        return dataclasses.replace(self, train=self.past, given=None, name=name)

    def sessions(self, gap: int) -> Interactions:
        """The events with sessions for users; see :mod:`tfrec.data.sessions`.

        Args:
            gap: Seconds without an event after which a new session begins.

        Raises:
            ValueError: No timestamp, no positive gap, or a part of a split.
        """
        from tfrec.data.sessions import sessions

        return sessions(self, gap)

    def batches(
        self,
        learner: Recommender | View,
        batch_size: int = 4096,
        shuffle: bool = True,
        seed: int = 0,
    ) -> tf.data.Dataset:
        """The view of the events that a model learns from, as a tf.data pipeline.

        A model that has met no data yet is handed these events (item table, popularity,
        what each user has seen), which ``recommend`` and ``export`` need. A view that
        has no label for its target takes the positive events, see
        :class:`~tfrec.features.FeatureSpec`; where labels are more than yes and no and
        no rule was given, a warning says so.

        Args:
            learner: The model, or a view of :mod:`tfrec.data.views`.
            batch_size: Examples in a batch, drawn negatives included.
            shuffle: Whether to shuffle and redraw anew each epoch.
            seed: Seed of order and negatives.

        Returns:
            A finite data set of known cardinality.
        """
        from tfrec.data.views import batches

        return batches(self, learner, batch_size, shuffle, seed)

    def reader(self, names: tuple[str, ...]) -> Reader:
        """Blocks of event columns; see :class:`tfrec.data.pipeline.Source`."""
        from tfrec.data.pipeline import memory_reader

        return memory_reader(self, names)

    def queries(self, users: np.ndarray, names: tuple[str, ...]) -> Columns:
        """Query features of users as of the start of these events.

        An index that several people share asks for none of them: it has no history.
        Each of them is asked for by the number that :attr:`person` gives.

        Args:
            users: ``(n,)`` user indices or, more precisely, people.
            names: The columns to fill in: user id, user side, sequences.

        Returns:
            Features by ``name/index`` or name. Histories hold the latest events of
            ``given``, or of ``past`` where all of it is given (of these events
            themselves when there is no past). Event columns (context) take their value
            at the user's latest such event.
        """
        known = self if self.readable is None else self.readable
        index = self.index_of(users)
        result: Columns = {}
        for name in names:
            column = self.spec[name]
            key = index_key(column.kind, name)
            if name == self.spec.user:
                result[key] = index.astype(np.int32)
            elif isinstance(column, Sequence) and column.of == self.spec.item:
                result[key] = known.timeline.latest(users, column.max_len)
            elif name in self.users:
                result[key] = self.users[name][index]
            elif name in self.columns:
                result[key] = known.at_latest(name, users)
            else:
                raise DataError(
                    f"{self.name} has no values for column '{name}': load it, or drop "
                    f"it with spec.select(...)."
                )
        return result

    def at_latest(self, name: str, users: np.ndarray) -> np.ndarray:
        """Value of an event column at each person's latest event; 0 where none is."""
        line = self.timeline
        end = line.start[users + 1]
        some = end > line.start[users]
        values = self.inputs(name, line.order[end[some] - 1])
        result = np.zeros((len(users), *values.shape[1:]), values.dtype)
        result[some] = values
        return result


def index_key(kind: str, name: str) -> str:
    """The batch key of an encoded column: ``name/index``, or name for plain values."""
    return f"{name}/index" if kind in ("categorical", "sequence", "text") else name
