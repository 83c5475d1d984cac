"""Events one after the other: each is predicted, and then it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec.data.t_batches import in_time, runs
from tfrec.data.timeline import SECOND
from tfrec.errors import ConfigError, DataError
from tfrec.evaluation.events import Places, event_queries
from tfrec.evaluation.protocols import InTurn
from tfrec.evaluation.result import Result, one_relevant, summarise

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

HOUR = 3_600 * SECOND


def evaluate(
    name: str,
    model: Recommender,
    data: Interactions,
    protocol: InTurn,
    places: Places,
) -> Result:
    """Ranks each event's item and, in hours, misses its time.

    Models that have ``observe`` are shown every event after it was predicted, and first
    those of the past that training does not hold; afterwards they are as before.

    Raises:
        ValueError: No times, no event of known ids, or scores that are not finite.
    """
    if data.timestamp is None or data.past is None:
        raise DataError(
            f"{data.name} has no times, or no past, and events are to be predicted in "
            "turn: take a part of a split of events with a timestamp."
        )
    stream, measured = stream_of(data)
    held_out = measured
    measured = held_out & protocol.positive(stream)
    if not measured.any():
        raise DataError(
            f"none of the {len(data)} events of {data.name} is positive and of a known "
            "user and item: split the data otherwise."
        )
    left_out = {
        "label too low": int(np.sum(held_out & ~measured)),
        "unknown user or item": len(data) - int(np.sum(held_out)),
    }
    moves = hasattr(model, "observe")
    weights, arrays = model.get_weights(), dict(model.catalogue.arrays)
    place, hours = np.full((2, len(stream)), -1), np.full(len(stream), np.nan)
    try:
        for low, high in runs(stream.user, stream.item):
            rows = np.arange(low, high)
            asked = rows[measured[low:high]]
            if len(asked):
                place[:, asked] = places(stream, asked)
                hours[asked] = predicted_hours(model, stream, asked)
            if moves:
                model.observe(stream.take(rows))
    finally:
        model.set_weights(weights)
        model.catalogue.arrays = arrays
    above, tied = place[:, measured]
    if tied.min() < 0:
        raise ConfigError(
            f"{name} gives items no finite score: has training diverged? Lower the "
            "learning rate."
        )
    known = data.train if data.train is not None else data.past
    if not hasattr(model, "next_hours"):
        hours[measured] = mean_gaps(known)[stream.person[measured]]
    waited = gaps_before(known, stream)
    timed = measured & np.isfinite(waited)
    per_event = one_relevant(above, tied, protocol.cutoffs)
    values, errors = summarise(per_event)
    missed = {"mae_hours": np.abs(hours - waited)[timed]}
    if timed.any():
        value, error = summarise(missed)
        values, errors = {**values, **value}, {**errors, **error}
    return Result(
        model=name,
        data=data.name,
        protocol=protocol.caption(data),
        sampled=protocol.sampled,
        metrics=values,
        standard_error=errors,
        users=len(np.unique(stream.person[measured])),
        events=int(measured.sum()),
        left_out={reason: n for reason, n in left_out.items() if n},
        tied=float(np.mean(tied > 0)),
        user=stream.person[measured],
        per_user=per_event,
    )


def stream_of(data: Interactions) -> tuple[Interactions, np.ndarray]:
    """All that comes after training, in time order, and which of it is measured.

    Histories are those of training: what comes later is shown, event by event.
    """
    past, train = data.past, data.train
    assert past is not None
    given = past if train is None else train
    if train is not None:
        past = past.take(~np.isin(_keys(past), _keys(train)))
        joined = past.concat(data)
    else:
        past, joined = past.take(np.arange(0)), data
    rows = in_time(joined)
    stream = joined.take(rows, past=None, train=None, given=given)
    return stream, rows >= len(past)


def _keys(data: Interactions) -> np.ndarray:
    columns = [data.person, data.item, np.asarray(data.timestamp)]
    whole = np.stack([c.astype(np.int64) for c in columns], axis=1)
    return np.ascontiguousarray(whole).view([("", np.int64)] * 3)[:, 0]


def predicted_hours(model: Any, data: Interactions, rows: np.ndarray) -> Any:
    """``(n,)`` hours from the users' last events to their next, or NaN."""
    if not hasattr(model, "next_hours"):
        return np.nan
    features = tf.nest.map_structure(tf.constant, event_queries(model, data, rows))
    return model.next_hours(features, model.catalogue_state()).numpy()


def mean_gaps(data: Interactions) -> np.ndarray:
    """``(people,)`` mean hours between a person's events; of all where none."""
    rows = in_time(data)
    user, time = data.person[rows], np.asarray(data.timestamp)[rows]
    order = np.argsort(user, kind="stable")
    same = np.diff(user[order]) == 0
    gaps, owner = np.diff(time[order])[same] / HOUR, user[order][1:][same]
    count = np.bincount(owner, minlength=data.people)
    total = np.bincount(owner, gaps, minlength=data.people)
    overall = gaps.mean() if len(gaps) else 0.0
    return np.where(count, total / np.maximum(count, 1), overall)


def gaps_before(known: Interactions, stream: Interactions) -> np.ndarray:
    """``(n,)`` hours since the event before of the same user; NaN if there is none."""
    time = np.asarray(stream.timestamp)
    last = np.full(known.people, np.iinfo(np.int64).min)
    np.maximum.at(last, known.person, np.asarray(known.timestamp))
    order = np.argsort(stream.person, kind="stable")
    previous = last[stream.person]
    same = np.diff(stream.person[order]) == 0
    previous[order[1:][same]] = time[order[:-1][same]]
    waited = (time - np.maximum(previous, 0)) / HOUR
    return np.where(previous == np.iinfo(np.int64).min, np.nan, waited)
