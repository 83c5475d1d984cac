"""Item vectors that their metadata take part in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec.data.negatives import NegativeSampler
from tfrec.errors import ConfigError
from tfrec.features import Categorical
from tfrec.layers.embedding import masked_mean, table
from tfrec.layers.item_table import ItemTable
from tfrec.losses import weighted_mean
from tfrec.models.config import Tune
from tfrec.models.embeddings._word2vec import _Word2Vec, _Word2VecConfig
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class MetaProd2Vec(_Word2Vec):
    """Skip-gram over items and what is known of them, in one space.

    Vasile, Smirnova & Conneau 2016, "Meta-Prod2Vec", equation 4. With i the centre, j
    its neighbours, and m_i, m_j a piece of their metadata::

        loss = sum over j: L(j | i) + lambda (L(m_j | i) + L(j | m_i) + L(m_j | m_i))
               + lambda L(i | m_i)

    where ``L(b | a)`` is the negative sampling loss of the pair, ``- log sigmoid(o_b .
    v_a) - sum over k negatives n: log sigmoid(-o_n . v_a)``. Items and metadata have
    input vectors v and output vectors o alike. An item without events in training
    takes, for either, the mean over its metadata, so it is recommended and compared
    like any other; a new item is told by its columns alone. Recommendations are those
    of ``SkipGram``.

    Differs from the paper: one piece of metadata is drawn for a centre and one for each
    neighbour, so that an item of six genres does not weigh six times. Negatives are of
    the kind of the target, item or metadata. Adam on batches; the loss is the mean over
    centres.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column and an item
            column of ids.
        **config: See ``Config``.

    Call: histories ``(batch, length)``, item ids ``(batch,)`` and their metadata to
    ``(batch,)`` float32 scores.

    Raises:
        ConfigError: The spec declares no history or no categorical item column.

    Example:
        >>> model = MetaProd2Vec(data.spec.select("history", "genres"), dim=64)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=20)
    """

    paper = "Vasile et al. 2016, Meta-Prod2Vec"
    objective = "negative sampling over items and metadata around"

    @dataclass(frozen=True)
    class Config(_Word2VecConfig):
        """Hyper-parameters, beside those of every item embedding.

        Attributes:
            metadata_weight: Weight of the four losses with metadata, lambda.
        """

        metadata_weight: Annotated[float, Tune(0.0, 1.0)] = 0.1

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        names = self.item_columns[1:]
        if not names:
            raise ConfigError(
                "MetaProd2Vec needs metadata: give the spec a categorical column with "
                "side='item'."
            )
        self.offsets, rows = {}, 0
        for name in names:
            self.offsets[name] = rows
            rows += self.spec.table(name).size
        self.metadata = ItemTable(self.spec, names)
        dim = self.config.dim
        self.inputs_meta = table(rows, dim, next(self.seeds), 1 / dim, "input_meta")
        self.outputs_meta = table(rows, dim, next(self.seeds), 1 / dim, "output_meta")
        for meta in (self.inputs_meta, self.outputs_meta):
            meta.build(None)  # scores call one of them, or the other
        self.met = self.add_weight(
            "met", (self.spec.item_column.size,), trainable=False, initializer="zeros"
        )

    @property
    def item_columns(self) -> tuple[str, ...]:
        """The item id and the categorical columns of items."""
        ids = (c for c in self.spec.on("item") if isinstance(c, Categorical))
        return (self.spec.item, *(c.name for c in ids if c.name != self.spec.item))

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue, the items' metadata and how often each occurs."""
        super().adapt(data)
        arrays, counts = self.catalogue.arrays, data.item_counts
        self.metadata.fill({n: arrays[f"item:{n}"] for n in self.offsets})
        self.met.assign(np.minimum(counts, 1).astype(np.float32))
        items = np.arange(len(counts))
        tokens = self._tokens(self.metadata(items)).numpy()
        rows, places = np.nonzero(tokens)
        found = tokens[rows, places]
        each = np.bincount(rows, minlength=len(counts))
        arrays["metadata_counts"] = np.bincount(
            found, counts[rows], minlength=self.inputs_meta.input_dim
        ).astype(np.float32)
        arrays["metadata"] = np.append(found, 0).astype(np.int32)  # never empty
        arrays["metadata_count"] = each.astype(np.int32)
        arrays["metadata_end"] = np.cumsum(each).astype(np.int32)

    def input_vectors(self, items: tf.Tensor) -> tf.Tensor:
        """``(..., dim)``; of an item that is new those of its metadata."""
        tokens = self._tokens(self.metadata(items))
        return self._or_metadata(items, tokens, self.inputs_table, self.inputs_meta)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """As of ``SkipGram``, a new item being told by the columns that are given."""
        item, tokens = inputs[self.spec.item], self._tokens(inputs)
        if self.config.score == "cosine":
            tables = self.inputs_table, self.inputs_meta
            vectors = self._or_metadata(item, tokens, *tables)
            return tf.math.l2_normalize(vectors, axis=-1)
        tables = self.outputs_table, self.outputs_meta
        return self.with_noise(item, self._or_metadata(item, tokens, *tables))

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Equation 4, mean over the centres."""
        item = features[f"{self.spec.item}/index"]
        context = features["context/index"]
        own = self._one_token(item, self.step_seed() + 1)
        other = self._one_token(context, self.step_seed() + 2)
        # The items' vectors predict first, those of their metadata below them.
        hidden = tf.concat([self.inputs_table(item), self.inputs_meta(own)], axis=0)
        known = own[:, None] > 0
        around = tf.concat([context, item[:, None]], axis=1)
        below = tf.where(known, around, 0)
        items = tf.concat([tf.pad(context, [[0, 0], [0, 1]]), below], axis=0)
        tokens = tf.concat([other, tf.where(known, other, 0)], axis=0)
        losses, side = tf.split(self.contrast(hidden, items), 2)
        side += tf.add_n(tf.split(self._contrast_meta(hidden, tokens), 2))
        losses += self.config.metadata_weight * side
        return weighted_mean(losses, weight)

    def _tokens(self, columns: Tensors) -> tf.Tensor:
        """``(..., tokens)`` rows of the metadata tables; 0 where there is none."""
        parts = []
        for name, offset in self.offsets.items():
            found = columns[name]
            if self.spec.length(name) is None:
                found = found[..., None]
            parts.append(tf.where(found > 0, found + offset, 0))
        return tf.concat(parts, axis=-1)

    def _one_token(self, items: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """One piece of metadata of each item, same shape; 0 of an item without any."""
        count = tf.gather(self.catalogue.arrays["metadata_count"], items)
        end = tf.gather(self.catalogue.arrays["metadata_end"], items)
        chance = tf.random.stateless_uniform(tf.shape(items), seed)
        place = end - 1 - tf.cast(chance * tf.cast(count, tf.float32), tf.int32)
        found = tf.gather(self.catalogue.arrays["metadata"], tf.maximum(place, 0))
        return tf.where(count > 0, found, 0)

    def _contrast_meta(self, hidden: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """As ``contrast``, of predicted metadata."""
        counts = self.catalogue.arrays["metadata_counts"]
        sampler = NegativeSampler(1, len(counts), counts, self.config.alpha)
        drawn = sampler.draw_items(self.draws(targets), self.step_seed() + 3)
        return self.against(hidden, targets, drawn, self.outputs_meta)

    def _or_metadata(
        self, items: tf.Tensor, tokens: tf.Tensor, own: Any, meta: Any
    ) -> tf.Tensor:
        """Rows of the items' table; of items never met the mean of their metadata."""
        met = tf.gather(self.met, items)[..., None] > 0
        return tf.where(met, own(items), masked_mean(meta(tokens), tokens))
