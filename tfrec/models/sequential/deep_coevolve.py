"""Users and items that evolve with each other, and when they meet."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec.data.t_batches import FIRST, FRESH, TBatches, arranged, in_time
from tfrec.errors import ConfigError, DataError
from tfrec.layers.embedding import table
from tfrec.losses import weighted_mean
from tfrec.models.baselines._taken import first_known
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.factorization._ratings import SECONDS, whole_seconds
from tfrec.models.families import BatchLoss, Tensors, cosine_to_all
from tfrec.models.sequential import _rayleigh as rayleigh
from tfrec.models.sequential._coevolving import CoevolvingStates
from tfrec.models.sequential._meetings import Meetings
from tfrec.models.sequential._observed import check_observed, remember

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class DeepCoevolve(BatchLoss, Meetings):
    """The next item and its time from states that every event of a pair moves on.

    Dai et al. 2016, "Deep Coevolutionary Network: Embedding User and Item Features for
    Recommendation", sections 3 and 4. User and item states f and g change when the two
    meet (:class:`~tfrec.models.sequential._coevolving.CoevolvingStates`), and a pair
    meets as a Rayleigh process does, t' the later of the last events of either::

        lambda(t) = exp(f . g + b) (t - t')
        S(t) = exp(-exp(f . g + b) (t - t')^2 / 2)
        E[t] = t' + sqrt(pi / (2 exp(f . g + b)))

    The loss of the events is ``-sum log lambda - sum log S``, the second sum over all
    pairs, whether they meet or not. At an event of u and i the stretches of u with all
    other items, and of i with all other users, end; ``negatives`` of either are drawn
    uniformly and what they sum to is scaled by how many there are, so that the mean
    over draws is the full sum. Items are ranked by log lambda at the time of the query.

    :meth:`observe` moves states on by newer events without training. They are saved
    and exported with the model: a raw user id is answered, and the signature
    ``return_time`` gives the hours that a pair is expected to take.

    Differs from the paper: tanh for the logistic function, so that products may be
    negative; b, a constant and a bias of each item; base features e in every update,
    not only the first; log(1 + t_k - t_(k-1)) in place of the difference; q is the
    label. A user is watched from the first to the last event of training: before the
    first none is predicted, and after the last nothing is survived. The gradient goes
    back through one event of each side. A drawn row whose state is past the event
    counts for nothing.

    Args:
        spec: The columns; user id, item id, timestamp and, if any, label are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each and, where known, the timestamp ``(batch,)`` int64
    seconds to ``(batch,)`` float32, log lambda; without it, of the latest event.

    Raises:
        ValueError: No timestamp in the spec, or a width, number or time that cannot be;
            on ``observe``, events before those that the states have seen.

    Example:
        >>> model = DeepCoevolve(data.spec, dim=32)
        >>> model.compile()
        >>> model.fit(train.batches(model, 512), epochs=10)
        >>> model.observe(newer)
        >>> model.recommend({"user_id": ["42"], "timestamp": [978_300_760]})
    """

    paper = "Dai et al. 2016, Deep Coevolutionary Network"
    objective = "likelihood of events in continuous time"
    pair_outputs = ("return_time",)

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of the states.
            negatives: Items, and users, drawn for each batch.
            resolution: Hours below which times are not told apart.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 128, log=True)] = 32
        negatives: Annotated[int, Tune(32, 1024, log=True)] = 256
        resolution: float = 1.0
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, seeds, spec = self.config, self.seeds, self.spec
        for name in ("dim", "negatives"):
            if getattr(config, name) < 1:
                raise ConfigError(f"{name}={getattr(config, name)} must be 1 or more.")
        users, items = spec.user_column.size, spec.item_column.size
        features = int(spec.label is not None)
        self.users = CoevolvingStates(users, config.dim, features, seeds)
        self.items = CoevolvingStates(items, config.dim, features, seeds)
        self.item_bias = table(items, 1, next(seeds), 0.0)

    def view(self) -> TBatches:
        """Events in time order."""
        return TBatches()

    # Learning

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Mean over the events of a batch; in training the states move on."""
        user, item, now = self._ids(features)
        if training:
            for side in (self.users, self.items):
                side.forget(tf.reduce_any(features[FRESH]))
        f, g = self.users(user), self.items(item)
        ours, theirs = self.users.times(user), self.items.times(item)
        b = self.bias(item)
        exponent = tf.reduce_sum(f * g, axis=1) + b
        elapsed = self.elapsed(now, ours, theirs)
        met = rayleigh.cumulative(exponent, elapsed)
        met -= self.log_intensity(exponent, elapsed)

        rows = self._drawn(1)
        exponent = tf.matmul(f, self.items(rows), transpose_b=True) + self.bias(rows)
        when = now[:, None]
        elapsed = self.elapsed(when, ours[:, None], self.items.times(rows))
        survived = self._scaled(1, exponent, elapsed, rows != item[:, None])

        rows = self._drawn(0)
        exponent = tf.matmul(g, self.users(rows), transpose_b=True) + b[:, None]
        elapsed = self.elapsed(when, theirs[:, None], self.users.times(rows))
        real = (tf.gather(self.begin, rows) < when) & (
            when <= tf.gather(self.end, rows)
        )
        real &= rows != user[:, None]
        awaited = self._scaled(0, exponent, elapsed, real)

        losses = tf.where(features[FIRST], 0.0, met + survived) + awaited
        if training:
            self._keep(features, f, g)
        return weighted_mean(losses, weight)

    def _ids(self, features: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        spec = self.spec
        user, item = (features[f"{name}/index"] for name in (spec.user, spec.item))
        return user, item, self.moment(features[str(spec.timestamp)])

    def _drawn(self, side: int) -> tf.Tensor:
        """``(negatives,)`` users (0) or items (1), others in every step."""
        column = (self.spec.user_column, self.spec.item_column)[side]
        return tf.random.stateless_uniform(
            [self.config.negatives],
            self.step_seed() + tf.constant([1_000 * side, 0]),
            first_known(column),
            column.size,
            tf.int32,
        )

    def _scaled(
        self, side: int, exponent: tf.Tensor, elapsed: tf.Tensor, real: tf.Tensor
    ) -> tf.Tensor:
        """The sum over all rows of a side, from the drawn ones: ``(batch,)``."""
        parts = tf.where(real, rayleigh.cumulative(exponent, elapsed), 0.0)
        return tf.reduce_mean(parts, axis=1) * self._known(side)

    def _keep(self, features: Tensors, f: tf.Tensor, g: tf.Tensor) -> None:
        """Moves the states of a batch's users and items on."""
        user, item, now = self._ids(features)
        q: list[tf.Tensor] = []
        if self.spec.label is not None:
            label = tf.cast(features[self.spec.label], tf.float32)
            q = [((label - self.label_mean) / self.label_spread)[:, None]]
        for side, rows, own, other in (
            (self.users, user, f, g),
            (self.items, item, g, f),
        ):
            since = tf.math.log1p(self.elapsed(now, side.times(rows)))
            side.keep(rows, tf.concat([since[:, None], own, other, *q], axis=1), now)

    def observe(self, data: Interactions) -> None:
        """Moves states on by newer events; no weight changes.

        Args:
            data: The events, in the model's numbers: of the spec it was built with.

        Raises:
            ValueError: The model has met no data, the ids have other numbers, or an
                event is before what the states have seen of its user or item.
        """
        check_observed(self, data)
        rows, first = in_time(data), int(self.clock.first.numpy())
        time = np.maximum(whole_seconds(data)[rows] - first, 0)
        late = time < self.users.last.numpy()[data.user[rows]]
        late |= time < self.items.last.numpy()[data.item[rows]]
        if late.any():
            raise DataError(
                f"{late.sum():,} of {len(data):,} events of {data.name} are before "
                "what the states have seen of their user or item, and states do not go "
                "back: leave them out with data.take(...), or train anew."
            )
        columns, bounds = arranged(data, 4096)
        for low, high in pairwise(bounds):
            self._advance({n: tf.constant(v[low:high]) for n, v in columns.items()})
        remember(self, data)
        self.clock.last.assign(
            max(int(self.clock.last.numpy()), first + int(time.max()))
        )

    def _advance(self, features: Tensors) -> None:
        if not hasattr(self, "_step_graph"):
            self._step_graph = tf.function(
                self._move, reduce_retracing=True, autograph=False
            )
        self._step_graph(features)

    def _move(self, features: Tensors) -> None:
        user, item, _ = self._ids(features)
        self._keep(features, self.users(user), self.items(item))

    # Scores

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """``log lambda`` of pairs, ``(batch,)``."""
        inputs = self.lookup(features)
        user, item = inputs[self.spec.user], inputs[self.spec.item]
        last = self.users.times(user), self.items.times(item)
        elapsed = self.elapsed(self.moment(inputs[SECONDS]), *last)
        return self.log_intensity(self._exponent(user, item), elapsed)

    def _exponent(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        product = tf.reduce_sum(self.users(user) * self.items(item), axis=1)
        return product + self.bias(item)

    def return_time(self, features: Tensors) -> Tensors:
        """``hours``: ``(batch,)`` that pairs take to meet from the later last event."""
        inputs = self.lookup(features)
        exponent = self._exponent(inputs[self.spec.user], inputs[self.spec.item])
        return {"hours": self.expected_hours(exponent)}

    def next_hours(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """``(batch,)`` hours from users' last events to their next ones, of any item.

        Of processes side by side the first event has the sum of their intensities,
        which is that of another Rayleigh process.
        """
        exponent = self._exponents(self.lookup(features)[self.spec.user], state)
        return self.expected_hours(tf.reduce_logsumexp(exponent, axis=1))

    def _exponents(self, user: tf.Tensor, state: Tensors) -> tf.Tensor:
        product = tf.matmul(self.users(user), state["item"], transpose_b=True)
        return product + state["bias"]

    def catalogue_state(self) -> Tensors:
        """States, biases and last events of all items."""
        column = self.spec.item_column
        rows = tf.range(column.first, column.size)
        return {
            "item": self.items(rows),
            "bias": self.bias(rows),
            "last": self.items.times(rows),
        }

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """``log lambda`` of all items at the time of each query."""
        inputs = self.lookup(features)
        user, now = inputs[self.spec.user], self.moment(inputs[SECONDS])
        ours = self.users.times(user)
        elapsed = self.elapsed(now[:, None], ours[:, None], state["last"][None])
        return self.log_intensity(self._exponents(user, state), elapsed)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the states."""
        first = self.spec.item_column.first
        return cosine_to_all(self.catalogue_state()["item"], items, first)
