"""What everybody takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec.data.views import Positives
from tfrec.errors import ConfigError
from tfrec.models.base import Recommender
from tfrec.models.baselines._closed_form import ClosedForm, solved_weight, whole
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import Tensors

DAYS = "example_age"


class Popularity(ClosedForm, Recommender):
    """The same list for everybody: items by their number of events.

    ::

        score(u, i) = sum over the events of i of 2^(-age / half_life)

    The age of an event is its distance, in days, from the latest event of the data; no
    ``half_life``, no decay. Events of unknown items count nothing. Nobody is cold here:
    a stranger gets the same list as everybody else.

    Differs from the paper: there is none. The counts maximise the likelihood of a
    multinomial draw, so the loss is the mean negative log-likelihood of an event, one
    added to every count.

    Args:
        spec: The columns; user and item id are read, the timestamp when events decay.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 counts.

    Raises:
        ConfigError: A ``half_life`` that is not positive, or without a timestamp.

    Example:
        >>> model = Popularity(data.spec, half_life=30.0)
        >>> model.compile()
        >>> model.fit(train.batches(model, 4096))
    """

    paper = "Counting"
    objective = "counts of events, older ones discounted"
    one_pass = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            half_life: Days after which an event counts half; None for no decay.
        """

        half_life: Annotated[float | None, Tune(7.0, 730.0, log=True)] = None

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        half_life = self.config.half_life
        if half_life is not None and half_life <= 0:
            raise ConfigError(
                f"half_life={half_life} days must be more than 0, or None for no decay."
            )
        if half_life is not None and self.spec.timestamp is None:
            raise ConfigError(
                f"half_life={half_life} needs the time of events and the spec names no "
                "timestamp: name one, or set half_life=None."
            )
        self.counts = solved_weight(self, "counts", (self.spec.item_column.size,))

    def view(self) -> Positives:
        """Events, with their age when they decay."""
        return Positives(example_age=self.config.half_life is not None)

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: never."""
        return tf.zeros_like(self.lookup(features)[self.spec.user], tf.bool)

    def sum_specs(self) -> dict[str, tf.TensorSpec]:
        """Discounted events of each item index."""
        return {"counts": tf.TensorSpec(self.counts.shape, tf.float64)}

    def _events(self, features: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """Item indices and what each event counts, nothing where it is unknown."""
        items = self.lookup(features)[self.spec.item]
        known = tf.cast(items >= self.spec.item_column.first, tf.float32)
        if self.config.half_life is None:
            return items, known
        return items, known * 2 ** (-features[DAYS] / self.config.half_life)

    def collect(
        self, features: Tensors, target: tf.Tensor | None, weight: tf.Tensor | None
    ) -> None:
        """Counts."""
        items, counts = self._events(features)
        self.sums.add("counts", counts if weight is None else counts * weight, items)

    def solve(self) -> float:
        """Takes over the counts; mean negative log-likelihood of the events."""
        counts = tf.cast(self.sums["counts"], tf.float32)
        self.counts.assign(counts)
        total = tf.reduce_sum(counts * self._surprise())
        return float(tf.math.divide_no_nan(total, tf.reduce_sum(counts)))

    def _surprise(self) -> tf.Tensor:
        """``(item table rows,)`` negative log share of events, one added to each."""
        column = self.spec.item_column
        share = (self.counts + 1) / (
            tf.reduce_sum(self.counts) + (column.size - column.first)
        )
        return -tf.math.log(share)

    def test_step(self, data: Any) -> Tensors:
        """Mean negative log-likelihood of other events."""
        items, counts = self._events(whole(data))
        losses = tf.gather(self._surprise(), items)
        return self.report(tf.boolean_mask(losses, counts > 0))

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Counts of the items ``(batch,)``; 0 for unknown ones."""
        return tf.gather(self.counts, self.lookup(features)[self.spec.item])

    def catalogue_state(self) -> Tensors:
        """``counts``: ``(items,)``."""
        return {"counts": self.counts[self.spec.item_column.first :]}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """The counts, for everybody."""
        users = self.lookup(features)[self.spec.user]
        return tf.repeat(state["counts"][None], tf.size(users), axis=0)
