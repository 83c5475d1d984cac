"""How the families score a catalogue and learn: mixins over ``Recommender``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfrec import backend, keras
from tfrec.data.negatives import NegativeSampler
from tfrec.models.base import Recommender

if TYPE_CHECKING:
    from tfrec.models.audience import Audience

Tensors = dict[str, tf.Tensor]
PAIRS = 65_536


def cosine_to_all(vectors: tf.Tensor, items: tf.Tensor, first: int) -> tf.Tensor:
    """Cosine of some items with all.

    Args:
        vectors: ``(items, dim)`` over the item vocabulary.
        items: ``(n,)`` item indices.
        first: Index of the first vocabulary item.

    Returns:
        ``(n, items)`` float32.
    """
    unit = tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=1)
    chosen = tf.gather(unit, tf.maximum(items - first, 0))
    return tf.matmul(chosen, unit, transpose_b=True)


class FactorScorer(Recommender):
    """Scores that are dot products: ``query(x) . item(y)``.

    Subclasses give ``query(inputs)`` and ``item(inputs)``, both ``(batch, dim)``, over
    looked-up inputs.
    """

    def query(self, inputs: Tensors) -> tf.Tensor:
        """Looked-up query columns to ``(batch, dim)``."""
        raise NotImplementedError(f"{type(self).__name__} has no query vectors.")

    def item(self, inputs: Tensors) -> tf.Tensor:
        """Looked-up item columns to ``(batch, dim)``."""
        raise NotImplementedError(f"{type(self).__name__} has no item vectors.")

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)``."""
        inputs = self.lookup(features)
        dot = tf.reduce_sum(self.query(inputs) * self.item(inputs), axis=-1)
        return tf.cast(dot, tf.float32)

    def query_embedding(self, features: Tensors) -> tf.Tensor:
        """Query features to ``(batch, dim)`` float32."""
        return tf.cast(self.query(self.lookup(features)), tf.float32)

    @property
    def items_at_once(self) -> int:
        """Items in one pass; fewer where an item takes much memory."""
        return PAIRS

    def item_embedding(self, features: Tensors) -> tf.Tensor:
        """Item features to ``(batch, dim)`` float32."""
        return tf.cast(self.item(self.lookup(features)), tf.float32)

    def catalogue_state(self) -> Tensors:
        """``item``: ``(items, dim)`` vectors of the whole vocabulary."""
        features, step = self.catalogue.items(), self.items_at_once
        count = int(next(iter(features.values())).shape[0])
        parts = [
            self.item_embedding({k: v[s : s + step] for k, v in features.items()})
            for s in range(0, count, step)
        ]
        return {"item": tf.concat(parts, axis=0)}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """One matrix product."""
        return tf.matmul(
            self.query_embedding(features), state["item"], transpose_b=True
        )

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the item vectors."""
        vectors = self.catalogue_state()["item"]
        return cosine_to_all(vectors, items, self.spec.item_column.first)

    def audience(self, features: dict[str, Any], k: int = 10) -> Audience:
        """The k users nearest to each item by cosine: to whom to show it.

        Users are those with an event in training, their columns and histories as the
        model knows them.

        Args:
            features: Raw item columns, one value per item. The id of a known item is
                enough; an item that is new is told by its other columns.
            k: Users for each item.

        Raises:
            ValueError: ``k`` is not in 1 .. number of users, a column is missing, or
                the model reads a column of the moment, which no user has beforehand.
        """
        from tfrec.models.audience import audience

        return audience(self, features, k)


class PairScorer(Recommender):
    """Scores that need the pair: the network runs over every user-item pair.

    Users are taken in groups so that one pass holds about ``pairs_at_once`` pairs.
    Subclasses give ``pair_scores`` and ``item_vectors``.
    """

    @property
    def pairs_at_once(self) -> int:
        """Pairs in one pass; fewer where a pair takes much memory."""
        return PAIRS

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Looked-up columns of pairs to ``(batch,)`` float32 logits."""
        raise NotImplementedError(f"{type(self).__name__} scores no pairs.")

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """Looked-up item columns to ``(items, dim)``."""
        raise NotImplementedError(f"{type(self).__name__} has no item vectors.")

    def catalogue_state(self) -> Tensors:
        """The looked-up columns of all items."""
        return self.catalogue.items()

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Scores of every pair."""
        queries = self.lookup(features)
        queries = {name: queries[name] for name in self.query_columns}
        items = self.lookup(state)
        count = tf.shape(items[self.spec.item])[0]
        batch = tf.shape(queries[self.query_columns[0]])[0]
        group = tf.maximum(1, tf.minimum(self.pairs_at_once // count, batch))
        groups = (batch + group - 1) // group

        def one(number: tf.Tensor) -> tf.Tensor:
            rows = tf.minimum(number * group + tf.range(group), batch - 1)
            pairs = {
                name: tf.repeat(tf.gather(values, rows), count, axis=0)
                for name, values in queries.items()
            }
            for name, values in items.items():
                times = tf.concat([[group], tf.ones(tf.rank(values) - 1, tf.int32)], 0)
                pairs[name] = tf.tile(values, times)
            return tf.reshape(self.pair_scores(pairs), [group, count])

        scores = backend.mapped(one, tf.range(groups))
        return tf.reshape(scores, [groups * group, count])[:batch]

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Pair scores ``(batch,)``."""
        return self.pair_scores(self.lookup(features), training)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the item vectors that the network starts from."""
        vectors = self.item_vectors(self.lookup(self.catalogue.items()))
        return cosine_to_all(vectors, items, self.spec.item_column.first)


class BatchLoss(Recommender):
    """Training on ``batch_loss(features, weight, training)`` of a whole batch.

    For losses that contrast examples and have no per-example target. ``fit``,
    ``evaluate``, callbacks, strategies and mixed precision work as ever. A model that
    has both kinds of loss sets ``contrastive``; one whose batch loss is a sum over the
    batch, not a mean, sets ``summed``.
    """

    contrastive = True
    summed = False

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean loss and what the user compiled."""
        if not self.contrastive:
            return super().metrics
        if not hasattr(self, "_loss_mean"):
            self._loss_mean = keras.metrics.Mean(name="loss")
        return [self._loss_mean, *super().metrics]

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """The loss of a batch, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} has no batch loss.")

    def draw(
        self, negatives: int, alpha: float | None = None
    ) -> tuple[tf.Tensor, NegativeSampler]:
        """Items that all examples of a batch are compared with, others in every step.

        Args:
            negatives: How many; known positives and repeats among them are left in.
            alpha: Popularity exponent of the draw; None for uniform.

        Returns:
            ``(negatives,)`` int32 item indices, and the sampler that drew them.
        """
        column, counts = self.spec.item_column, self.catalogue.counts()
        sampler = NegativeSampler(column.first, column.size, counts, alpha)
        return sampler.draw_items(negatives, self.step_seed()), sampler

    def step_seed(self) -> tf.Tensor:
        """``(2,)`` int32, another in every step of training."""
        step = tf.cast(self.optimizer.iterations, tf.int32)
        return tf.stack([tf.constant(self.config.seed), step])

    def _step(self, data: Any, training: bool) -> tf.Tensor:
        features, _, weight = keras.utils.unpack_x_y_sample_weight(data)
        loss = self.batch_loss(features, weight, training)
        return loss + tf.add_n(self.losses) if self.losses else loss

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step down the batch loss."""
        if not self.contrastive:
            return super().train_step(data)
        with tf.GradientTape() as tape:
            loss = self._step(data, True)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            share = loss if self.summed else loss / replicas
        self.optimizer.minimize(share, self.trainable_variables, tape=tape)
        self.metrics[0].update_state(loss)
        return {"loss": self.metrics[0].result()}

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The batch loss without a step."""
        if not self.contrastive:
            return super().test_step(data)
        self.metrics[0].update_state(self._step(data, False))
        return {"loss": self.metrics[0].result()}
