"""What models share that read a knowledge graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfrec import keras
from tfrec.data.knowledge import Edges, graph_of, names
from tfrec.data.views import Pairs
from tfrec.errors import ConfigError
from tfrec.layers.embedding import table
from tfrec.losses import sum_of_squares
from tfrec.models.families import PairScorer, Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


# Of initial values: an entity that is seldom drawn moves little from where it began.
STDDEV = 0.02


class _OverGraph(PairScorer):
    """Embeddings of entities, items among them, whose triples are drawn up front.

    The graph is the one that comes with the data, or is made of the columns of the
    items; see :mod:`tfrec.data.knowledge`. How many entities and relations there are
    stands in the spec. What is drawn of it are weights that are not trained, saved and
    exported with the model.
    """

    both_ways = False

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        self.entities, self.relations = names(self.spec)
        self.nodes = self.spec.item_column.size + len(self.entities)
        if self.spec.item_column.hash_bins is not None:
            raise ConfigError(
                f"item column '{self.spec.item}' is hashed, and a graph names items by "
                "id: give it a vocabulary."
            )
        dim, seed = self.config.dim, next(self.seeds)
        self.node_table = table(self.nodes, dim, seed, STDDEV, "nodes")
        self.node_table.build(None)

    def drawn(self, name: str, *shape: int) -> tf.Variable:
        """A weight for nodes or relations that are drawn."""
        return self.add_weight(
            name, shape, tf.int32, trainable=False, initializer="zeros"
        )

    def view(self) -> Pairs:
        """Labelled events, or events with drawn negatives."""
        return Pairs(self.config.negatives, binary=True)

    def default_loss(self) -> keras.losses.Loss:
        """Log loss on logits."""
        return keras.losses.BinaryCrossentropy(from_logits=True)

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue and draws from the graph."""
        super().adapt(data)
        graph = graph_of(self.spec, data)
        seed = self.config.seed
        self.take(Edges(graph, self.nodes, seed, self.both_ways), data)

    def take(self, edges: Edges, data: Interactions) -> None:
        """Draws the triples that the model reads."""
        raise NotImplementedError

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """Embeddings of items as entities: ``(items, dim)``."""
        return tf.gather(self.node_table.embeddings, inputs[self.spec.item])

    def penalty(self, *rows: tf.Tensor) -> None:
        """Adds L2 on ``(batch, ...)`` rows: half of it, mean over the batch."""
        if self.config.l2:
            self.add_loss(self.config.l2 / 2 * sum_of_squares(*rows))

    def name_of(self, node: int) -> str:
        """An entity's name, or an item's raw id."""
        item = self.spec.item_column
        if node < item.size:
            return str(item.raw[node])
        return self.entities[node - item.size]


def masked_softmax(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Softmax over the last axis where ``mask`` is True; 0 elsewhere."""
    low = tf.where(mask, logits, tf.constant(-1e9, logits.dtype))
    return tf.where(mask, tf.nn.softmax(low, axis=-1), tf.zeros_like(logits))
