"""Labelled pairs with the time of the event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec.data.pipeline import Source, Tensors
from tfrec.data.views import Attach, Expand, Pairs
from tfrec.features import FeatureSpec


@dataclass(frozen=True)
class TimedPairs(Pairs):
    """``(features, label)``, the features with the event's time.

    The time is ``(batch,)`` int64 seconds since 1970 under the name that the spec gives
    the timestamp.
    """

    def extra_columns(self, spec: FeatureSpec) -> tuple[str, ...]:
        """Label and timestamp."""
        if spec.timestamp is None:
            raise ValueError(
                "the events have no time to learn from: name the timestamp column in "
                "the spec."
            )
        return (*super().extra_columns(spec), spec.timestamp)

    def expander(self, source: Source, attach: Attach) -> Expand:
        """Labelled events with their time."""
        labelled, name = super().expander(source, attach), str(source.spec.timestamp)

        def timed(events: Tensors, seed: tf.Tensor) -> Any:
            seconds = tf.cast(events[name], tf.int64)
            features, target = labelled(events, seed)
            return {**features, name: seconds}, target

        return timed
