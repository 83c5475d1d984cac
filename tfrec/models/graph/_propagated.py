"""What models share that spread embeddings over who took what."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.negatives import check_negatives
from tfrec.data.views import Positives, Triples, View
from tfrec.layers.embedding import table
from tfrec.layers.propagation import Adjacency
from tfrec.losses import bpr, sum_of_squares, weighted_mean
from tfrec.models.base import Recommender
from tfrec.models.baselines._taken import item_count, taken_keys
from tfrec.models.families import BatchLoss, FactorScorer, Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class _Refresh(keras.callbacks.Callback):
    """Propagates once more when weights have changed and somebody is to ask.

    It stands before all other callbacks, so that they measure what was learned.
    """

    def on_test_begin(self, logs: Any = None) -> None:
        self.model.refresh()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.refresh()


class _Propagated(BatchLoss, FactorScorer, Recommender):
    """Users and items as nodes of one graph, an edge for each pair in training.

    Rows of the user table come first, then those of the item table. In training, all
    nodes are propagated once for a whole batch. ``propagated`` holds the result of the
    last epoch, and everything but training reads it: the graph itself is neither saved
    nor exported. Who trains with ``train_step`` alone calls :meth:`refresh` after it.

    Subclasses give ``width`` and ``propagate``.
    """

    stddev: float | None = 0.1

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        self.users = self.spec.user_column.size
        count = self.users + self.spec.item_column.size
        dim, seed = self.config.dim, next(self.seeds)
        self.nodes = table(count, dim, seed, self.stddev, "nodes")
        self.nodes.build(None)
        self.propagated = self.add_weight(
            "propagated",
            (count, self.width),
            "float32",
            "zeros",
            trainable=False,
            experimental_autocast=False,
        )
        self._adjacency: Adjacency | None = None
        self._source: np.ndarray | None = None

    @property
    def width(self) -> int:
        """Columns of a propagated vector."""
        raise NotImplementedError

    def propagate(self, training: bool) -> tf.Tensor:
        """The final vectors of all nodes, ``(nodes, width)`` float32."""
        raise NotImplementedError

    @property
    def adjacency(self) -> Adjacency:
        """The graph of the training data."""
        arrays = self.catalogue.arrays
        seen = arrays.get("seen", np.empty(0, np.int32))
        if self._adjacency is None or self._source is not seen:
            lengths = np.diff(arrays.get("start", np.zeros(self.users + 1, np.int64)))
            owner = np.repeat(np.arange(len(lengths)), lengths)
            user, item = np.divmod(
                taken_keys(self.spec, owner, seen), item_count(self.spec)
            )
            item += self.users + self.spec.item_column.first
            self._adjacency = Adjacency(user, item, self.nodes.input_dim)
            self._source = seen
        return self._adjacency

    def view(self) -> View:
        """Events, with drawn negatives unless a batch shares them."""
        config = self.config
        if not config.share_negatives:
            return Triples(config.negatives)
        check_negatives(config.negatives, 1)
        return Positives()

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue and propagates along its edges."""
        super().adapt(data)
        self.train_function = None  # traced with the edges of other data
        self.refresh()

    def refresh(self) -> None:
        """Propagates the weights as they are."""
        self.propagated.assign(self.propagate(training=False))

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Keras's ``fit``, with a propagation after each epoch."""
        signature = inspect.signature(super().fit)
        bound = signature.bind(*args, **kwargs)
        callbacks = tf.nest.flatten(bound.arguments.get("callbacks") or [])
        bound.arguments["callbacks"] = [_Refresh(), *callbacks]
        history = super().fit(*bound.args, **bound.kwargs)
        self.refresh()  # an optimizer may put averages in the place of the weights
        return history

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's ``train_on_batch`` and a propagation."""
        result = super().train_on_batch(*args, **kwargs)
        self.refresh()
        return result

    def query(self, inputs: Tensors) -> tf.Tensor:
        """Propagated vectors of users, ``(batch, width)``."""
        return tf.gather(self.propagated, inputs[self.spec.user])

    def item(self, inputs: Tensors) -> tf.Tensor:
        """Propagated vectors of items, ``(batch, width)``."""
        return tf.gather(self.propagated, self.users + inputs[self.spec.item])

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """BPR on propagated vectors and, in training, L2 on those they come from."""
        inputs = self.lookup(features)
        users = inputs[self.spec.user]
        items = self.users + inputs[self.spec.item]
        nodes = self.propagate(training=True) if training else self.propagated
        query = tf.gather(nodes, users)
        taken = tf.reduce_sum(query * tf.gather(nodes, items), axis=1)
        if self.config.share_negatives:
            others = self.users + self.draw(self.config.negatives)[0]
            against = tf.matmul(query, tf.gather(nodes, others), transpose_b=True)
        else:
            others = self.users + features["negative/index"]
            against = tf.einsum("bd,bnd->bn", query, tf.gather(nodes, others))
        loss = weighted_mean(bpr(taken, against), weight)
        if training and self.config.l2:
            start = self.nodes.embeddings
            rows = (tf.gather(start, place) for place in (users, items, others))
            loss += self.config.l2 / 2 * sum_of_squares(*rows)
        return loss
