"""Pairs weighted by what the event was worth: watch time, money, stars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.data.pipeline import YES_NO, Source, Tensors, keyed, labels_of
from tfrec.data.views import Attach, Expand, Pairs
from tfrec.errors import ConfigError, DataError
from tfrec.features import FeatureSpec


@dataclass(frozen=True)
class WeightedPairs(Pairs):
    """Pairs with a target of 0 or 1 and a weight: ``(features, target, weight)``.

    The label is an amount, such as seconds of watching. Without negatives an event
    whose amount is positive (above 0, or by the spec's rule) has its amount for weight,
    and any other is a negative of weight 1 (shown and not watched). With ``negatives``
    every event is such a positive and draws that many negatives of weight 1.

    Attributes:
        unit: Whether all weights are 1: the same examples, unweighted.
    """

    unit: bool = False

    def extra_columns(self, spec: FeatureSpec) -> tuple[str, ...]:
        """The label."""
        if spec.label is None:
            raise ConfigError(
                "the events have no label to weigh them by: name the column of the "
                "amount (watch time, price, stars) in the spec."
            )
        who = super().extra_columns(spec) if self.negatives else ()
        return (spec.label, *who)

    def expander(self, source: Source, attach: Attach) -> Expand:
        """Events, or events with drawn negatives, and their weights."""
        spec, label = source.spec, str(source.spec.label)
        _check_amounts(source if source.whole is None else source.whole)
        expand = super().expander(source, attach)

        def weighted(events: Tensors, seed: tf.Tensor) -> Any:
            amount = tf.cast(events[label], tf.float32)
            if not self.negatives:
                target = tf.cast(spec.positive(amount), tf.float32)
                columns = {k: v for k, v in events.items() if k != label}
                features = keyed(spec, attach(columns))
            else:
                columns = {k: v for k, v in events.items() if k != label}
                features, target = expand(columns, seed)
                amount = tf.repeat(amount, self.growth)
            counts = tf.logical_and(target > 0, not self.unit)
            return features, target, tf.where(counts, amount, 1.0)

        return weighted


def _check_amounts(source: Source) -> None:
    values = labels_of(source)
    if len(values) and not (values.min() >= 0 or np.isin(values, YES_NO).all()):
        raise DataError(
            f"label '{source.spec.label}' has the value {values.min():g} and a weight "
            "cannot be negative or missing: clean the column, or take another."
        )
