"""Events in time order, in batches that hold none of an event's own past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.pipeline import Source, check_events, finish
from tfrec.data.views import View
from tfrec.errors import ConfigError, DataError

FRESH, FIRST = "fresh", "first"


@dataclass(frozen=True)
class TBatches(View):
    """Each batch has every user and every item at most once, and the past is over.

    An event comes in the batch after the later one of its user's last event and its
    item's last event (the t-batches of Kumar et al. 2018, "Learning Dynamic
    Embeddings", section 4), so that states of user and item that follow from all
    earlier batches are those that the event found. Batches of more than ``batch_size``
    events are cut. Events of one time come in the order of their rows, and there is one
    order: nothing is shuffled.

    The features are ``{user}/index`` and ``{item}/index``, the timestamp in seconds
    under its name, the label under its name where there is one, and, all ``(batch,)``,
    ``fresh``, whether states begin anew with this batch, and ``first``, whether an
    event is the first of its user. Events of unknown users and items are left out; of
    any label are all there, for the label is a feature.
    """

    @property
    def of_labels(self) -> bool:
        """The label is a feature of an event."""
        return True

    def batches(
        self,
        source: Source,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        columns: tuple[str, ...] | None = None,
    ) -> tf.data.Dataset:
        """See :meth:`View.batches`; ``shuffle``, ``seed`` and ``columns`` are not read.

        Raises:
            ValueError: The events have no times, lie on disk, or are of no known ids.
        """
        check_events(source)
        if not isinstance(source, Interactions) or source.timestamp is None:
            raise ConfigError(
                "what follows what is told by time, of all events together: load them "
                "into memory, with a timestamp."
            )
        columns_of, bounds = arranged(source, batch_size)
        held = {name: tf.constant(values) for name, values in columns_of.items()}
        ends, steps = tf.constant(bounds), len(bounds) - 1

        def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
            low, high = ends[step], ends[step + 1]
            features = {name: values[low:high] for name, values in held.items()}
            features[FRESH] = tf.fill([high - low], step == 0)
            return features

        return finish(tf.data.Dataset.range(steps).map(batch), None, steps)


def arranged(
    source: Interactions, batch_size: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The events of known ids, batch after batch.

    Returns:
        The features of :class:`TBatches` but for ``fresh``, ``(n,)`` each, and where
        batches begin, ``(batches + 1,)``, with the end of the last.

    Raises:
        DataError: There are no such events.
    """
    spec, rows = source.spec, in_time(source)
    if not len(rows):
        raise DataError(
            f"{source.name} has no event of a known user and a known item: load it "
            "with the spec of its vocabularies."
        )
    user, item = source.user[rows], source.item[rows]
    number, first = t_batches(user, item), firsts(source.person[rows])
    order = np.argsort(number, kind="stable")
    names = [str(spec.timestamp), *([spec.label] if spec.label else [])]
    features = {name: source.inputs(name, rows[order]) for name in names}
    features |= {
        f"{spec.user}/index": user[order],
        f"{spec.item}/index": item[order],
        FIRST: first[order],
    }
    return features, np.append(cuts(number[order], batch_size), len(rows))


def in_time(data: Interactions) -> np.ndarray:
    """``(n,)`` rows of known users and items, earliest first."""
    from tfrec.models.baselines._taken import first_known

    known = data.user >= first_known(data.spec.user_column)
    known &= data.item >= first_known(data.spec.item_column)
    rows = np.flatnonzero(known)
    times = np.asarray(data.timestamp)
    return rows[np.argsort(times[rows], kind="stable")]


def t_batches(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """``(n,)`` int64 batch number of each of ``(n,)`` events in time order."""
    n = len(user)
    following = np.stack([_following(user), _following(item)])
    waiting = np.bincount(following.ravel(), minlength=n + 1)
    waiting[n] = 2 * n + 1  # after the last event nothing is set free
    numbers, batch = np.zeros(n, np.int64), 0
    ready = np.flatnonzero(waiting[:n] == 0)
    while len(ready):
        numbers[ready] = batch
        after = following[:, ready].ravel()
        np.subtract.at(waiting, after, 1)
        ready, batch = np.unique(after[waiting[after] == 0]), batch + 1
    return numbers


def _following(ids: np.ndarray) -> np.ndarray:
    """Place of the next event of the same id; ``n`` after its last."""
    order = np.argsort(ids, kind="stable")
    same = ids[order][1:] == ids[order][:-1]
    result = np.full(len(ids), len(ids))
    result[order[:-1][same]] = order[1:][same]
    return result


def firsts(ids: np.ndarray) -> np.ndarray:
    """``(n,)`` bool: the first event of its id."""
    result = np.zeros(len(ids), bool)
    result[np.unique(ids, return_index=True)[1]] = True
    return result


def cuts(numbers: np.ndarray, size: int) -> np.ndarray:
    """Where batches begin: at a new number, and after ``size`` events of one.

    Args:
        numbers: ``(n,)`` ascending batch numbers.
        size: Most events of a batch.
    """
    begin = np.searchsorted(numbers, numbers)
    return np.flatnonzero((np.arange(len(numbers)) - begin) % size == 0)


def runs(user: np.ndarray, item: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of ``(n,)`` events in time order, each id at most once in a stretch."""
    n = len(user)
    last = np.full(n, -1)
    for following in (_following(user), _following(item)):
        has = following < n
        last[following[has]] = np.maximum(last[following[has]], np.flatnonzero(has))
    latest = np.maximum.accumulate(last)
    result, low = [], 0
    while low < n:
        high = int(np.searchsorted(latest, low))  # the first that meets one again
        result.append((low, high))
        low = high
    return result
