"""Items described by their neighbourhood in a knowledge graph, to each user's taste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec import keras
from tfrec.data.knowledge import Edges
from tfrec.errors import ConfigError
from tfrec.layers.embedding import table
from tfrec.models.baselines._taken import Taken
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.explain import Reason, effects
from tfrec.models.families import PAIRS, Tensors
from tfrec.models.graph._knowledge import STDDEV, _OverGraph, masked_softmax

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class KGCN(_OverGraph):
    """An item is what is around it, weighed by the relations that the user cares for.

    Wang, Zhao, Xie, Li & Guo 2019, "Knowledge Graph Convolutional Networks for
    Recommender Systems", equations 1 to 6 and 10. With N(v) the ``neighbours`` triples
    (v, r, e) drawn for entity v::

        a(v, e) = softmax over N(v) of u . r
        n(v)    = sum over N(v) of a(v, e) e
        v'      = act(W f(v, n(v)) + b)    f: v + n, [v, n] or n (``aggregator``)

    ``hops`` times, so that an item hears of entities as many triples away; act is ReLU,
    and tanh the last time. The logit is ``u . v'``. An entity without triples has n(v)
    = 0. With ``label_smoothness`` (Wang, Zhang et al. 2019, "Knowledge-aware Graph
    Neural Networks with Label Smoothness Regularization", equations 6 to 9) the label
    of the item is also predicted from around it: labels spread with the weights a,
    those of items being fixed at whether the user took them, except the item's own, and
    the log loss of what arrives is added that many times.

    Differs from the paper: L2 is on the rows that a batch touches. Labels spread
    through the drawn neighbourhood alone, where an entity at its rim has .5.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 logits.

    Raises:
        ConfigError: A size below 1, label smoothness without drawn negatives, or items
            of which nothing is known.

    Example:
        >>> model = KGCN(data.spec, neighbours=8, hops=1)
        >>> model.compile()
        >>> model.fit(train.batches(model, 128), epochs=10)
    """

    paper = "Wang et al. 2019, Knowledge Graph Convolutional Networks"
    objective = "log loss on items and what is around them in a graph"
    both_ways = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of embeddings.
            neighbours: Triples drawn for each entity.
            hops: How far an item hears.
            aggregator: ``sum``, ``concat`` or ``neighbour``.
            label_smoothness: Weight of the loss of spread labels.
            negatives: Items drawn for each event, which then is a positive; 0 to learn
                the label column, which must hold 0 and 1.
            l2: Weight of half the squared norm of touched rows.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 64, log=True)] = 16
        neighbours: Annotated[int, Tune(2, 16, log=True)] = 8
        hops: Annotated[int, Tune(1, 2)] = 1
        aggregator: Literal["sum", "concat", "neighbour"] = "sum"
        label_smoothness: float = 0.0
        negatives: Annotated[int, Tune(1, 8)] = 4
        l2: Annotated[float, Tune(1e-6, 1e-2, log=True)] = 1e-5
        learning_rate: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 2e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, seeds = self.config, self.seeds
        for field in ("neighbours", "hops"):
            if getattr(config, field) < 1:
                raise ConfigError(
                    f"{field}={getattr(config, field)} must be 1 or more."
                )
        if config.label_smoothness and not config.negatives:
            raise ConfigError(
                f"label_smoothness={config.label_smoothness} takes events as positives "
                "and needs negatives=1 or more."
            )
        users, kinds = self.spec.user_column.size, len(self.relations)
        self.user_table = table(users, config.dim, next(seeds), STDDEV, "user")
        self.relation_table = table(kinds, config.dim, next(seeds), STDDEV, "relation")
        for own in (self.user_table, self.relation_table):
            own.build(None)
        width = config.dim * (2 if config.aggregator == "concat" else 1)
        self.aggregators = []
        for hop in range(config.hops):
            last = hop == config.hops - 1
            initial = keras.initializers.GlorotUniform(next(seeds))
            dense = keras.layers.Dense(
                config.dim,
                "tanh" if last else "relu",
                kernel_initializer=initial,
                dtype="float32",
            )
            dense.build((None, width))
            self.aggregators.append(dense)
        self.tails = self.drawn("tails", self.nodes, config.neighbours)
        self.kinds = self.drawn("kinds", self.nodes, config.neighbours)
        self.taken = Taken(self.spec, self.catalogue)

    @property
    def pairs_at_once(self) -> int:
        """Fewer where each has many neighbours."""
        return max(1, PAIRS // self.config.neighbours**self.config.hops)

    def take(self, edges: Edges, data: Interactions) -> None:
        """Draws the neighbours of every entity."""
        config, nodes = self.config, np.arange(self.nodes)
        random = np.random.default_rng(config.seed)
        starts = np.arange(self.nodes + 1)
        _, kinds, tails = edges.draw(nodes, starts, config.neighbours, random)
        self.kinds.assign(kinds)
        self.tails.assign(tails)
        _ = self.taken.keys  # graphs traced earlier shall read them, too

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """``u . v'``; in training the penalties are added."""
        user, item = inputs[self.spec.user], inputs[self.spec.item]
        taste = tf.gather(self.user_table.embeddings, user)
        nodes, weights, kinds = self.around(taste, item)
        vectors = [tf.gather(self.node_table.embeddings, level) for level in nodes]
        if training:
            self.penalty(taste, *vectors, *kinds)
            if self.config.label_smoothness:
                self.add_loss(self._smoothness(user, item, nodes, weights))
        return self._logit(taste, vectors, weights)

    def _logit(
        self, taste: tf.Tensor, vectors: list[tf.Tensor], weights: list[tf.Tensor]
    ) -> tf.Tensor:
        """Equations 2 to 6 from the rim inwards, and the product with the user."""
        for aggregate in self.aggregators:
            inner = zip(vectors[:-1], vectors[1:], weights, strict=False)
            vectors = [
                self._join(aggregate, own, self._mean(outer, weight))
                for own, outer, weight in inner
            ]
        return tf.reduce_sum(taste * vectors[0][:, 0], axis=1)

    def around(
        self, taste: tf.Tensor, item: tf.Tensor, first: tf.Tensor | None = None
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        """The neighbourhood of items, hop by hop, and its weights for users.

        Args:
            taste: ``(batch, dim)`` vectors of users.
            item: ``(batch,)`` item indices.
            first: ``(batch, n)`` neighbours of the items, 0 for one that is left out;
                those that were drawn when None.

        Returns:
            Nodes ``(batch, n^h)`` of hops h = 0 .. hops, and for each but the last
            the weights ``(batch, n^h, n)`` and relations ``(batch, n^h, n, dim)``
            towards the next.
        """
        count = self.config.neighbours
        nodes, weights, kinds = [item[:, None]], [], []
        for hop in range(self.config.hops):
            tails = tf.gather(self.tails, nodes[-1])
            if first is not None and hop == 0:
                tails = first[:, None]
            kinds.append(
                tf.gather(
                    self.relation_table.embeddings, tf.gather(self.kinds, nodes[-1])
                )
            )
            logits = tf.einsum("bd,bknd->bkn", taste, kinds[-1])
            weights.append(masked_softmax(logits, tails > 0))
            nodes.append(tf.reshape(tails, [-1, count ** (hop + 1)]))
        return nodes, weights, kinds

    def _mean(self, outer: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """n(v): ``(batch, n^h * n, dim)`` to ``(batch, n^h, dim)``."""
        shape = [-1, *weight.shape[1:], outer.shape[-1]]
        return tf.einsum("bkn,bknd->bkd", weight, tf.reshape(outer, shape))

    def _join(self, aggregate: Any, own: tf.Tensor, near: tf.Tensor) -> tf.Tensor:
        """``act(W f(v, n(v)) + b)``."""
        how = self.config.aggregator
        if how == "concat":
            return aggregate(tf.concat([own, near], axis=-1))
        return aggregate(own + near if how == "sum" else near)

    def reasons(self, pair: Tensors) -> list[Reason]:
        """Triples of the item, with their weight for the user."""
        inputs = self.lookup(pair)
        user, item = inputs[self.spec.user], inputs[self.spec.item]
        taste = tf.gather(self.user_table.embeddings, user)
        nodes, weights, _ = self.around(taste, item)
        kinds = tf.gather(self.kinds, item)[0].numpy()
        tails = nodes[1][0].numpy()
        share = weights[0][0, 0].numpy()
        triples = sorted({(k, t) for k, t in zip(kinds, tails, strict=True) if t})
        slots = [(kinds == kind) & (tails == tail) for kind, tail in triples]
        name = f"{self.spec.item} {self.name_of(int(item[0]))}"

        def scores(changes: list[Any]) -> np.ndarray:
            first = np.stack([np.where(c, 0, tails) for c in changes])
            many = tf.repeat(taste, len(first), axis=0)
            nodes, weights, _ = self.around(
                many, tf.repeat(item, len(first)), tf.constant(first)
            )
            table = self.node_table.embeddings
            vectors = [tf.gather(table, level) for level in nodes]
            return self._logit(many, vectors, weights).numpy()

        texts = [
            f"{name} - {self.relations[kind]} - {self.name_of(tail)}"
            for kind, tail in triples
        ]
        return effects(texts, slots, scores, [float(share[s].sum()) for s in slots])

    def _smoothness(
        self,
        user: tf.Tensor,
        item: tf.Tensor,
        nodes: list[tf.Tensor],
        weights: list[tf.Tensor],
    ) -> tf.Tensor:
        """Log loss of the item's label as it arrives from around it."""
        first = self.spec.item_column.first
        label = 0.5 * tf.ones_like(nodes[-1], tf.float32)
        for hop in range(len(weights), -1, -1):
            level = nodes[hop]
            if hop < len(weights):
                shape = [-1, *weights[hop].shape[1:]]
                label = tf.reduce_sum(weights[hop] * tf.reshape(label, shape), axis=-1)
            fixed = (level >= first) & (level < self.spec.item_column.size)
            fixed &= level != item[:, None]
            taken = self.taken.contains(user, tf.maximum(level - first, 0))
            label = tf.where(fixed, tf.cast(taken, tf.float32), label)
        own = tf.cast(
            self.taken.contains(user, tf.maximum(item[:, None] - first, 0)), tf.float32
        )
        loss = keras.losses.binary_crossentropy(own, label)
        # An item without triples hears nothing and predicts nothing.
        heard = tf.cast(tf.reduce_any(nodes[1] > 0, axis=1), tf.float32)
        return self.config.label_smoothness * tf.reduce_mean(heard * loss)
