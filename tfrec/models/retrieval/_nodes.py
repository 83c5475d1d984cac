"""What a tree model asks of a node, and of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfrec import backend, keras
from tfrec.errors import ConfigError
from tfrec.features import Categorical
from tfrec.layers.embedding import FeatureEmbeddings
from tfrec.layers.mlp import mlp
from tfrec.layers.windows import WindowedAttention

if TYPE_CHECKING:
    from tfrec.features import FeatureSpec

Tensors = dict[str, tf.Tensor]


class NodeNetwork(keras.layers.Layer):
    """Whether a user is interested in a node: Zhu et al. 2018, figure 2.

    Args:
        spec: The columns.
        names: Columns that are read beside the history.
        config: A :class:`TreeDeepMatch.Config`.
        seeds: Where the layers draw their seeds from.

    Call: looked-up columns, vectors of the history ``(batch, length, dim)``, its mask
    ``(batch, length)`` and vectors of nodes ``(batch or 1, nodes, dim)`` to logits
    ``(batch, nodes)`` float32.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        names: tuple[str, ...],
        config: Any,
        seeds: Iterator[int],
    ) -> None:
        super().__init__(autocast=False)
        self.columns = FeatureEmbeddings(spec, names, config.dim, next(seeds))
        self.windows = WindowedAttention(config.windows, config.attention_units, seeds)
        self.mlp = mlp((*config.layers, 1), seeds, "prelu", last=None, batch_norm=True)

    def call(
        self,
        inputs: Tensors,
        history: tf.Tensor,
        mask: tf.Tensor,
        nodes: tf.Tensor,
        training: bool | None = None,
    ) -> tf.Tensor:
        """The logits."""
        seen = self.windows(history, mask, nodes)
        batch, count = tf.shape(seen)[0], tf.shape(seen)[1]
        columns = self.columns(inputs).values()
        parts = [
            seen,
            tf.repeat(nodes, batch // tf.shape(nodes)[0], axis=0),
            *(tf.repeat(values[:, None], count, axis=1) for values in columns),
        ]
        parts = [tf.cast(part, seen.dtype) for part in parts]
        width = sum(part.shape[-1] for part in parts)
        joined = tf.reshape(tf.concat(parts, axis=-1), [-1, width])
        logits = self.mlp(joined, training=training)
        return tf.cast(tf.reshape(logits, [batch, count]), tf.float32)


def in_parts(
    score: Callable[[Tensors, tf.Tensor], tf.Tensor],
    queries: Tensors,
    items: tf.Tensor,
    at_once: int,
) -> tf.Tensor:
    """Scores of items, some queries at a time, or some items of one query.

    What a network computes once for a query is computed once for each part, so a part
    has all items of as few queries as fill it.

    Args:
        score: Queries and their items ``(rows, any)`` to scores of the same shape.
        queries: Columns of queries, each of ``(batch, ...)``.
        items: ``(batch or 1, n)`` int32, n 1 or more.
        at_once: Largest number of pairs in a part, 1 or more.

    Returns:
        ``(batch, n)`` float32.
    """
    lists, count = tf.unstack(tf.shape(items))
    batch = tf.shape(next(iter(queries.values())))[0]
    rows = tf.maximum(tf.minimum(at_once // count, batch), 1)
    size = tf.minimum(at_once // rows, count)
    down, across = (batch + rows - 1) // rows, (count + size - 1) // size

    def part(number: tf.Tensor) -> tf.Tensor:
        row = tf.minimum(number // across * rows + tf.range(rows), batch - 1)
        column = tf.minimum(number % across * size + tf.range(size), count - 1)
        some = {name: tf.gather(values, row) for name, values in queries.items()}
        own = tf.gather(items, tf.minimum(row, lists - 1))
        return score(some, tf.gather(own, column, axis=1))

    scores = backend.mapped(part, tf.range(down * across))
    scores = tf.reshape(scores, [down, across, rows, size])
    scores = tf.transpose(scores, [0, 2, 1, 3])
    return tf.reshape(scores, [down * rows, across * size])[:batch, :count]


def history_of(spec: FeatureSpec) -> str:
    """Name of the sequence of items.

    Raises:
        ConfigError: There is none.
    """
    if spec.history is None:
        raise ConfigError(
            f"TreeDeepMatch needs the user's history: declare Sequence('history', "
            f"of='{spec.item}') in the spec."
        )
    return spec.history.name


def check(spec: FeatureSpec, config: Any) -> None:
    """Refuses columns and sizes from which no tree can be laid or searched.

    Raises:
        ConfigError: Hashed items, an unknown category, or a size below 1.
    """
    item, name = spec.item_column, config.category
    if item.hash_bins is not None or item.size == item.first:
        raise ConfigError(
            f"item column '{item.name}' has no vocabulary, so a tree has no leaves: "
            "give it one."
        )
    known = [c.name for c in spec.on("item") if isinstance(c, Categorical)]
    known = [n for n in known if n != item.name]
    if name is not None and name not in known:
        raise ConfigError(
            f"category='{name}' is no categorical column of items: choose one of "
            f"{', '.join(known) or 'none, for the spec has no such column'}."
        )
    for field in ("beam", "negatives"):
        if getattr(config, field) < 1:
            value = getattr(config, field)
            raise ConfigError(f"{field}={value} finds nothing: use 1 or more.")
    if not config.windows or min(config.windows) < 1:
        raise ConfigError(
            f"windows={config.windows} must be one or more positive numbers of entries."
        )
