"""What models of ratings with item factors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.ratings import Ratings
from tfrec.data.timeline import SECOND
from tfrec.errors import ConfigError, DataError
from tfrec.layers.clock import Clock
from tfrec.layers.embedding import table
from tfrec.losses import sum_of_squares
from tfrec.models.base import Recommender
from tfrec.models.baselines._taken import FromTaken
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import FactorScorer, Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

SECONDS = "seconds"
Side = tuple[tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class RatingConfig(BaseConfig):
    """Hyper-parameters of every model of ratings.

    Attributes:
        dim: Factors.
        l2: Weight of the squared norm of touched rows.
        learning_rate: Of Adam.
        rating_range: Lowest and highest rating there may be; data with others are
            refused. None for whatever the data hold.
    """

    dim: Annotated[int, Tune(8, 128, log=True)] = 32
    l2: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 0.02
    learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 2e-3
    rating_range: tuple[float, ...] | None = None


class RatingFactors(FactorScorer, Recommender):
    """Ratings as dot products, learned by squared error with L2.

    A subclass gives ``user_side`` and ``item_side``: looked-up inputs to the vector of
    a side and to its L2 term, a scalar.
    """

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        limits = self.config.rating_range
        if limits is not None and not (len(limits) == 2 and limits[0] < limits[1]):
            raise ConfigError(f"rating_range={limits} must be (lowest, highest).")
        users, items = self.spec.user_column.size, self.spec.item_column.size
        self.item_table = self.factors(items)
        self.user_bias = table(users, 1, next(self.seeds), 0.0)
        self.item_bias = table(items, 1, next(self.seeds), 0.0)
        self.mean = self.add_weight("mean", (), trainable=False, initializer="zeros")

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue and, of the first data, the mean rating.

        Raises:
            ValueError: No label, or labels that are no ratings.
        """
        self.check_ratings(data)
        fresh = not self.adapted
        super().adapt(data)
        if fresh:
            self.learn_constants(data)

    def check_ratings(self, data: Interactions) -> None:
        """Raises ValueError when there are no labels, or some that are no ratings."""
        labels = data.label.astype(np.float64)
        low, high = self.config.rating_range or (-np.inf, np.inf)
        wrong = labels[~(np.isfinite(labels) & (labels >= low) & (labels <= high))]
        if len(wrong):
            allowed = (
                f"rating_range [{low:g}, {high:g}]"
                if self.config.rating_range
                else "what can be learned"
            )
            raise DataError(
                f"{len(wrong)} of {len(labels)} ratings of {data.name} are outside "
                f"{allowed}, such as {wrong[0]:g}: correct them, or leave them out "
                "with data.take(...)."
            )

    def learn_constants(self, data: Interactions) -> None:
        """Sets what the learned weights are relative to, once."""
        self.mean.assign(float(data.label.astype(np.float64).mean()))

    def factors(self, rows: int) -> keras.layers.Embedding:
        """A table of ``dim`` factors that start near 0."""
        dim = self.config.dim
        return table(rows, dim, next(self.seeds), 0.1 / dim**0.5)

    def view(self) -> Ratings:
        """Labelled pairs, with their time if the model reads it."""
        by_user = isinstance(self, FromTaken)
        return Ratings(timed=bool(self.event_columns), by_user=by_user)

    def default_loss(self) -> keras.losses.Loss:
        """Squared error."""
        return keras.losses.MeanSquaredError()

    def user_side(self, inputs: Tensors, training: bool | None = None) -> Side:
        """Looked-up query columns to ``(batch, width)`` and their L2 term."""
        raise NotImplementedError(f"{type(self).__name__} has no user side.")

    def item_side(self, inputs: Tensors) -> Side:
        """``[q_i, 1, b_i]``: ``(batch, dim + 2)``, and ``l2 (|q_i|^2 + b_i^2)``."""
        item = inputs[self.spec.item]
        factors, bias = self.item_table(item), self.item_bias(item)
        vector = tf.concat([factors, tf.ones_like(bias), bias], axis=1)
        return vector, self.config.l2 * sum_of_squares(factors, bias)

    def query(self, inputs: Tensors) -> tf.Tensor:
        """The user's side of the dot product: ``(batch, width)``."""
        return self.user_side(inputs)[0]

    def item(self, inputs: Tensors) -> tf.Tensor:
        """The item's side of the dot product: ``(batch, width)``."""
        return self.item_side(inputs)[0]

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Ratings of pairs, ``(batch,)``; in training the L2 terms are added."""
        inputs = self.lookup(features)
        query, user_penalty = self.user_side(inputs, training)
        item, item_penalty = self.item_side(inputs)
        if training:
            self.add_loss(user_penalty + item_penalty)
        return tf.cast(tf.reduce_sum(query * item, axis=1), tf.float32)


class Implicit(FromTaken):
    """A mixin for what users took as implicit feedback: a vector for each item taken.

    N(u) are the distinct known items of the user's training events, all of them. They
    are summed once for each distinct user of a batch and never stand side by side: the
    memory is 24 bytes for an item of a user, however wide the vectors.
    """

    takes_dislikes = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.implicit = taken_vectors(self, "implicit")

    def taken_by(self, users: tf.Tensor) -> Side:
        """``|N(u)|^-1/2 sum y_j`` and ``sum |y_j|^2``.

        Args:
            users: ``(batch,)`` user indices.

        Returns:
            ``(batch, dim)`` and ``(batch,)`` float32; 0 for who took nothing.
        """
        distinct, place = tf.unique(users)
        rows, columns = self.taken.pairs(distinct)
        vectors = tf.convert_to_tensor(self.implicit)
        squares = tf.reduce_sum(vectors**2, axis=1, keepdims=True)
        sums = tf.sparse.segment_sum(
            tf.concat([vectors, squares], axis=1),
            columns,
            rows,
            num_segments=tf.size(distinct),
        )
        root = root_of_count(self, distinct)
        each = tf.concat([sums[:, :-1] * root[:, None], sums[:, -1:]], axis=1)
        each = tf.gather(each, place)
        return each[:, :-1], each[:, -1]


def taken_vectors(model: Any, name: str) -> tf.Variable:
    """A vector for every item of the vocabulary, ``(items, dim)``."""
    dim = model.config.dim
    initial = keras.initializers.RandomNormal(
        0.0, 0.1 / dim**0.5, seed=next(model.seeds)
    )
    return model.add_weight(
        name,
        (model.taken.items, dim),
        initializer=initial,
        experimental_autocast=False,  # sums of many need single precision
    )


def root_of_count(model: Any, users: tf.Tensor) -> tf.Tensor:
    """``|N(u)|^-1/2`` of ``(n,)`` users; 0 for who took nothing."""
    begin, end = model.taken.stretch(users)
    count = tf.cast(end - begin, tf.float32)
    return tf.math.divide_no_nan(1.0, tf.sqrt(count))


class Timed(Recommender):
    """A mixin for models that read when something happens.

    Training and evaluation give the time of the event, ``recommend`` takes it under the
    name of the timestamp; without it the time is that of the latest training event. A
    spec that declares the timestamp as a ``Numeric`` context column, too, makes it an
    input of the exported model.
    """

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        self.clock = Clock()

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The user id, and the time where the spec declares it as a column."""
        return (
            *super().query_columns,
            *(n for n in self.event_columns if n in self.spec),
        )

    @property
    def event_columns(self) -> tuple[str, ...]:
        """The timestamp, if there is one."""
        return (self.spec.timestamp,) if self.spec.timestamp else ()

    def learn_constants(self, data: Interactions) -> None:
        """The training period, too."""
        super().learn_constants(data)
        self.clock.fit(whole_seconds(data))

    def lookup(self, features: Tensors) -> Tensors:
        """Looked-up columns, with the time where there is a user."""
        inputs = super().lookup(features)
        if self.spec.user in inputs:
            given = features.get(str(self.spec.timestamp))
            inputs[SECONDS] = self.clock.seconds(given, inputs[self.spec.user])
        return inputs


def times(data: Interactions) -> np.ndarray:
    """``(events,)`` int64 microseconds, to put events in order; 0 without times."""
    if data.timestamp is None:
        return np.zeros(len(data), np.int64)
    return data.timestamp.astype(np.int64)


def whole_seconds(data: Interactions) -> np.ndarray:
    """``(events,)`` int64 whole seconds, to compute with; 0 without times."""
    return times(data) // SECOND


def check_timestamp(model: Recommender) -> None:
    """Raises ValueError when the spec of a model that lives on time names none."""
    if model.spec.timestamp is None:
        raise ConfigError(
            f"{type(model).__name__} learns from event times: name the timestamp "
            "column in the spec."
        )
