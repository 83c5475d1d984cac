"""Recurrent networks over sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf

from tfrec import keras, optimizers
from tfrec.data.session_parallel import FRESH, NEXT, SessionParallel
from tfrec.errors import ConfigError
from tfrec.layers.dropout import Dropout
from tfrec.layers.stacked import LaneStates, StackedCells
from tfrec.losses import weighted_mean
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import BatchLoss, FactorScorer, Tensors, cosine_to_all
from tfrec.models.sequential._network import check, item_table, with_one
from tfrec.models.sequential._session_losses import LOSSES


class GRU4Rec(BatchLoss, FactorScorer, Recommender):
    """The next item of a session from the state of a GRU (or LSTM) that has read it.

    Hidasi et al. 2016, "Session-based Recommendations with Recurrent Neural Networks",
    and Hidasi & Karatzoglou 2018, "Recurrent Neural Networks with Top-k Gains for
    Session-based Recommendations"::

        h_t = GRU(e(item t), h_(t-1)),    r_i = w_i . h_t + b_i

    and a loss of the next item's score against those of others: the next items of the
    other sessions of the batch, and ``negatives`` items drawn for all of them in
    proportion to ``count ** alpha`` (2018, section 4). The losses are ``top1`` and
    ``bpr`` (2016), ``cross_entropy``, ``top1_max`` and ``bpr_max`` (2018); see
    :mod:`~tfrec.models.sequential._session_losses`. ``activation`` is that of the
    scores in the loss; cross-entropy takes them as they are, and so do rankings, whose
    order no activation changes.

    Training goes one step of all sessions of a batch at a time
    (:class:`~tfrec.data.session_parallel.SessionParallel`). Their states are carried
    from batch to batch, no gradient flows back through them, and a lane that begins
    another session forgets. The optimizer is the authors' Adagrad with momentum. The
    draw of negatives needs no cache: it is made in the graph, from cumulative weights
    that are computed once.

    Differs from the paper: a negative that is the next item itself counts for nothing,
    where the authors compare it with itself. A gate's product with the state is of the
    reset state, as in the papers; the authors' code resets afterwards. Unknown items
    leave the state as it was.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column, which holds the
            session. Its length bounds what is read of a session in one request, not
            what :meth:`advance` carries on.
        **config: See ``Config``.

    Call: sessions ``(batch, length)`` and item ids ``(batch,)`` to ``(batch,)`` float32
    scores.

    Raises:
        ConfigError: The spec declares no history, or a share or a width is out of
            range.

    Example:
        >>> model = GRU4Rec(data.spec.select("history"), layers=(100,), loss="bpr_max")
        >>> model.compile()
        >>> model.fit(train.batches(model, 128), epochs=10)
    """

    paper = "Hidasi et al. 2016, Session-based Recommendations with RNNs"
    objective = "ranking of the next item of a session, by five losses"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            layers: Widths of the recurrent layers.
            cell: ``gru`` or ``lstm``.
            loss: One of the five.
            activation: Of scores in the loss: ``elu``, ``tanh`` or ``linear``.
            tied: Whether items go in by the vectors w they are scored by; otherwise by
                vectors of their own, ``dim`` wide.
            dim: Width of those.
            negatives: Items drawn for each batch beside those of its other sessions.
            alpha: They are drawn in proportion to ``count ** alpha``.
            score_weight: Weight of the regularisation of scores in ``bpr_max``.
            embedding_dropout: Share of the values of e that training drops.
            hidden_dropout: Share of the values of every layer's output.
            learning_rate: Of Adagrad.
            momentum: Of Adagrad.
        """

        layers: tuple[int, ...] = (100,)
        cell: Annotated[Literal["gru", "lstm"], Tune(choices=("gru", "lstm"))] = "gru"
        loss: Annotated[
            Literal["bpr_max", "cross_entropy", "top1_max", "top1", "bpr"],
            Tune(choices=("bpr_max", "cross_entropy", "top1_max")),
        ] = "bpr_max"
        activation: Literal["elu", "tanh", "linear"] = "elu"
        tied: bool = True
        dim: int = 64
        negatives: Annotated[int, Tune(64, 2048, log=True)] = 2048
        alpha: Annotated[float, Tune(0.0, 1.0)] = 0.5
        score_weight: Annotated[float, Tune(0.0, 2.0)] = 1.0
        embedding_dropout: Annotated[float, Tune(0.0, 0.6)] = 0.0
        hidden_dropout: Annotated[float, Tune(0.0, 0.6)] = 0.0
        learning_rate: Annotated[float, Tune(0.01, 0.2, log=True)] = 0.05
        momentum: Annotated[float, Tune(0.0, 0.9)] = 0.1

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config = self.config
        check(config)
        items, width = self.spec.item_column.size, config.layers[-1]
        self.items_table = item_table(items, width, next(self.seeds), "item")
        self.inputs_table = self.items_table
        if not config.tied:
            self.inputs_table = item_table(items, config.dim, next(self.seeds), "input")
        self.bias = self.add_weight("bias", (items,), initializer="zeros")
        self.embedding_dropout = Dropout(config.embedding_dropout, next(self.seeds))
        self.cells = StackedCells(
            width if config.tied else config.dim,
            config.layers,
            config.cell,
            config.hidden_dropout,
            next(self.seeds),
        )
        self.network = keras.layers.RNN(self.cells)
        self.lanes = LaneStates(self.cells.state_size)

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The session."""
        if self.spec.history is None:
            raise ConfigError(
                f"GRU4Rec reads the session: declare Sequence('history', "
                f"of='{self.spec.item}') in the spec."
            )
        return (self.spec.history.name,)

    def view(self) -> SessionParallel:
        """A step of many sessions at a time."""
        return SessionParallel()

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """The authors' Adagrad with momentum."""
        return optimizers.MomentumAdagrad(
            self.config.learning_rate, self.config.momentum
        )

    def known(self, items: tf.Tensor) -> tf.Tensor:
        """Whether item indices, of any shape, are neither padding nor unknown."""
        column = self.spec.item_column
        return items >= (column.first if column.hash_bins is None else 1)

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``[h, 1]``, ``(batch, width + 1)``, after the last item of the session."""
        session = inputs[self.query_columns[0]]
        hidden = self.network(self.inputs_table(session), mask=self.known(session))
        return with_one(hidden)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``[w, b]``, ``(batch, width + 1)``."""
        vectors, bias = self._scored(inputs[self.spec.item])
        return tf.concat([vectors, bias[:, None]], axis=1)

    def _scored(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Vectors w ``(n, width)`` and biases b ``(n,)`` of ``(n,)`` item indices."""
        vectors = self.items_table(items)
        return vectors, tf.cast(tf.gather(self.bias, items), vectors.dtype)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the vectors w."""
        column = self.spec.item_column
        vectors = self.items_table(tf.range(column.first, column.size))
        return cosine_to_all(vectors, items, column.first)

    @property
    def state_width(self) -> int:
        """Width of a session's state."""
        return sum(self.cells.state_size)

    def advance(
        self, items: tf.Tensor, state: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One more item of sessions whose state is known.

        Args:
            items: ``(batch,)`` item indices; unknown ones change nothing.
            state: ``(batch, state_width)`` float32, 0 before the first item.

        Returns:
            The query vectors ``(batch, width + 1)`` float32 and the states after it.
        """
        before = tf.split(state, self.cells.state_size, axis=1)
        vectors = self.inputs_table(items)
        _, after = self.cells(
            vectors, [tf.cast(part, vectors.dtype) for part in before]
        )
        known = self.known(items)[:, None]
        states = [
            tf.where(known, tf.cast(new, tf.float32), old)
            for new, old in zip(after, before, strict=True)
        ]
        return with_one(self.cells.output_of(states)), tf.concat(states, axis=1)

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Mean over the sessions of the batch."""
        name = self.spec.item
        following = features[NEXT]
        vectors = self.inputs_table(features[f"{name}/index"])
        vectors = self.embedding_dropout(vectors, training=training)
        states = [
            tf.cast(state, vectors.dtype) for state in self.lanes.take(features[FRESH])
        ]
        hidden, states = self.cells(vectors, states, training=training)
        self.lanes.put(states)
        drawn, _ = self.draw(self.config.negatives, self.config.alpha)
        candidates = tf.concat([following, drawn], axis=0)
        items, bias = self._scored(candidates)
        logits = tf.matmul(hidden, items, transpose_b=True) + bias
        # Not the diagonal of all scores, whose gradient is as large as they are.
        items, bias = self._scored(following)
        own = tf.reduce_sum(hidden * items, axis=1) + bias
        scores, positive = self._activated(logits), self._activated(own)
        others = candidates[None] != following[:, None]
        options = {}
        if self.config.loss == "bpr_max":
            options["weight"] = self.config.score_weight
        losses = LOSSES[self.config.loss](positive, scores, others, **options)
        return weighted_mean(losses, weight)

    def _activated(self, logits: tf.Tensor) -> tf.Tensor:
        scores = tf.cast(logits, tf.float32)
        if self.config.loss == "cross_entropy" or self.config.activation == "linear":
            return scores
        return tf.nn.elu(scores) if self.config.activation == "elu" else tf.tanh(scores)
