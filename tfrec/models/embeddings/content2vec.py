"""Item vectors from content and co-occurrence, joined for pairs of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.columns import Image, Text
from tfrec.data.windows import Windows
from tfrec.errors import ConfigError
from tfrec.layers.content import ContentFeatures, Sizes
from tfrec.layers.embedding import table
from tfrec.layers.pair_unit import PairUnit
from tfrec.losses import weighted_mean
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.embeddings._word2vec import history_of
from tfrec.models.families import BatchLoss, Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

ITEMS_AT_ONCE = 512


class Content2Vec(BatchLoss):
    """What two items look, read and are taken like says whether they go together.

    Nedelec, Smirnova & Vasile 2016, "Content2Vec: Specializing Joint Representations of
    Product Images and Text for the Task of Product Recommendation". Modules give each
    item vectors x: a convolutional network over its image, one over its text, and a
    Prod2Vec vector. For a pair a, b that one user took near each other, and pairs with
    drawn items n::

        s_m(a, b) = x_m(a) . x_m(b)                             of each module m
        loss      = - log sigmoid(y(a, b)) - sum over k of log sigmoid(-y(a, n))

    y joins the modules in one of four ways, see
    :class:`~tfrec.layers.pair_unit.PairUnit`; ``res`` is the pairwise residual unit,
    ``y = sim(F(x(a)), F(x(b))) + sim(x(a), x(b))`` over the modules' vectors side by
    side. Recommendations have the largest mean y with the items of the history.

    Differs from the paper: vectors of content are of length 1, and modules are learned
    together with the unit instead of one after the other; the image network is small
    and starts at random. A batch draws its negatives once, each counted ``negatives /
    share_negatives`` times.
    An item without events has no Prod2Vec vector, and s_m is 0. The items of histories
    have the vectors that the last call of ``fit`` left.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column. A module is
            there when its column is.
        **config: See ``Config``.

    Call: histories ``(batch, length)``, item ids and content to ``(batch,)`` float32
    scores.

    Raises:
        ConfigError: The spec declares no history, or no module is left.

    Example:
        >>> data = tfrec.datasets.load("movielens/1m-content", history=10)
        >>> model = Content2Vec(data.spec.select("history", "plot"), unit="res")
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=5)
        >>> model.similar_items(["1"])
    """

    paper = "Nedelec et al. 2016, Content2Vec"
    objective = "negative sampling of pairs of items by image, text and co-occurrence"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of each module's vectors.
            unit: How modules join, of the four.
            cf: Whether the Prod2Vec module is there.
            text: Whether texts are read.
            image: Whether images are looked at.
            hidden: Width of F in ``res``, and of the hidden layer in ``embedpairs``.
            bins: Bins of each similarity in ``crossfeat``.
            window: Neighbours on either side at most.
            negatives: Negatives for each pair.
            share_negatives: Size of a batch's one draw of negatives.
            alpha: Negatives are drawn in proportion to ``count ** alpha``.
            image_filters: Channels of each convolution over pixels.
            text_windows: Widths of the windows over words.
            text_filters: Filters of each width.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 128, log=True)] = 32
        unit: Annotated[
            Literal["linear", "crossfeat", "res", "embedpairs"],
            Tune(choices=("linear", "crossfeat", "res", "embedpairs")),
        ] = "res"
        cf: bool = True
        text: bool = True
        image: bool = True
        hidden: Annotated[int, Tune(8, 128, log=True)] = 32
        bins: int = 5
        window: Annotated[int, Tune(1, 10)] = 5
        negatives: Annotated[int, Tune(1, 20)] = 5
        share_negatives: int = 200
        alpha: float = 0.75
        image_filters: tuple[int, ...] = (16, 32, 64)
        text_windows: tuple[int, ...] = (3, 4, 5)
        text_filters: int = 64
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 2e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, items = self.config, self.spec.item_column.size
        names = self.item_columns[1:]
        self.modules = (("cf",) if config.cf else ()) + names
        if not self.modules:
            raise ConfigError(
                "Content2Vec has no module left: keep cf=True, or give the spec a text "
                "or an image of items."
            )
        sizes = Sizes(
            config.image_filters,
            text_windows=config.text_windows,
            text_filters=config.text_filters,
        )
        self.own = table(items, config.dim, next(self.seeds)) if config.cf else None
        self.content = (
            ContentFeatures(self.spec, names, config.dim, self.seeds, sizes)
            if names
            else None
        )
        self.pair_unit = PairUnit(
            len(self.modules), config.unit, config.hidden, config.bins, self.seeds
        )
        shape = (items, len(self.modules), config.dim)
        full: dict[str, Any] = {
            "trainable": False,
            "initializer": "zeros",
            "experimental_autocast": False,
        }
        self.vectors = self.add_weight("vectors", shape, **full)
        self.met = self.add_weight("met", (items,), **full)

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The history of items."""
        return (history_of(self.spec, type(self).__name__),)

    @property
    def item_columns(self) -> tuple[str, ...]:
        """The id and the columns of the modules that are there."""
        kinds = (Text,) * self.config.text + (Image,) * self.config.image
        content = (c.name for c in self.spec.on("item") if isinstance(c, kinds))
        return (self.spec.item, *content)

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue, and which items have events."""
        super().adapt(data)
        self.met.assign(np.minimum(data.item_counts, 1).astype(np.float32))

    def view(self) -> Windows:
        """Items with those that the same user took around them."""
        return Windows(self.config.window)

    def lookup(self, features: Tensors) -> Tensors:
        """As ever, and images that are not given, by item."""
        inputs = super().lookup(features)
        for name in self.catalogue.media_columns:
            if self.spec.item in inputs and name not in inputs:
                rows = tf.gather(self.catalogue.table(name), inputs[self.spec.item])
                inputs[name] = self.columns_layer({name: rows})[name]
        return inputs

    def embed(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """Looked-up item columns to the modules' vectors, ``(n, modules, dim)``."""
        parts = []
        if self.own is not None:
            # Not of length 1: what is rarely taken stays near 0, and its content
            # speaks for it.
            item = inputs[self.spec.item]
            vectors = tf.cast(self.own(item), tf.float32)
            parts.append(vectors * tf.gather(self.met, item)[:, None])
        if self.content is not None:
            for vectors in self.content(inputs, training=training).values():
                vectors = tf.cast(vectors, tf.float32)
                # Of an item that lacks the content the vector starts at 0: with the
                # epsilon of Keras its slope would be a million.
                parts.append(tf.math.l2_normalize(vectors, axis=1, epsilon=1e-4))
        return tf.stack(parts, axis=1)

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Sum over pairs, divided by the centres."""
        item = features[f"{self.spec.item}/index"]
        context = features["context/index"]
        pairs = tf.where(context > 0)
        owner, target = pairs[:, 0], tf.gather_nd(context, pairs)
        size = self.config.share_negatives
        drawn, _ = self.draw(size, self.config.alpha)
        # Each item of the batch is encoded once.
        rows, place = tf.unique(tf.concat([item, target, drawn], axis=0))
        inputs = self.lookup(self.catalogue.at(rows))
        vectors = self.pair_unit.extended(self.embed(inputs, training))
        parts = tf.split(place, [tf.size(item), tf.size(target), size])
        centres, targets, others = (tf.gather(vectors, part) for part in parts)
        positive = self.pair_unit(
            self.pair_unit.products(tf.gather(centres, owner), targets)
        )
        count = tf.math.count_nonzero(context, axis=1, dtype=tf.float32)
        losses = tf.math.unsorted_segment_sum(
            tf.nn.softplus(-positive), owner, tf.size(item)
        )
        missed = tf.nn.softplus(self.pair_unit(self.pair_unit.all(centres, others)))
        hit = tf.reduce_any(context[:, :, None] == drawn, axis=1)
        missed = tf.reduce_sum(tf.where(hit, 0.0, missed), axis=1)
        losses += self.config.negatives / size * count * missed
        return weighted_mean(losses, weight)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's ``fit``; the vectors of the items of histories are taken after it."""
        done = super().fit(*args, **kwargs)
        self.catalogue_state()
        return done

    def catalogue_state(self) -> Tensors:
        """``item``: vectors of all items, those kept where there are no images."""
        column = self.spec.item_column
        if self.catalogue.complete:
            rows = tf.range(column.size)
            parts = [
                self.embed(self.lookup(self.catalogue.at(rows[s : s + ITEMS_AT_ONCE])))
                for s in range(0, column.size, ITEMS_AT_ONCE)
            ]
            self.vectors.assign(tf.concat(parts, axis=0))
        return {"item": tf.convert_to_tensor(self.vectors)[column.first :]}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Mean y of every item with those of the history, a query at a time."""
        history = self.lookup(features)[self.query_columns[0]]
        items = self.pair_unit.extended(state["item"])

        def one(row: tf.Tensor) -> tf.Tensor:
            past = self.pair_unit.extended(tf.gather(self.vectors, row))
            scores = self.pair_unit(self.pair_unit.all(past, items))
            return mean_of_real(scores, row > 0, axis=0)

        return backend.mapped(one, history)

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Mean y of each pair's item with those of the history, ``(batch,)``."""
        inputs = self.lookup(features)
        history = inputs[self.query_columns[0]]
        past = self.pair_unit.extended(tf.gather(self.vectors, history))
        item = self.pair_unit.extended(self.embed(inputs, training))
        scores = self.pair_unit(self.pair_unit.products(past, item[:, None]))
        return mean_of_real(scores, history > 0, axis=1)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """The log odds y of each pair of items."""
        vectors = self.pair_unit.extended(self.catalogue_state()["item"])
        chosen = tf.gather(vectors, tf.maximum(items - self.spec.item_column.first, 0))
        return self.pair_unit(self.pair_unit.all(chosen, vectors))


def mean_of_real(scores: tf.Tensor, real: tf.Tensor, axis: int) -> tf.Tensor:
    """Mean along an axis over what is no padding; 0 where there is nothing."""
    real = tf.cast(real, scores.dtype)
    weights = real if real.shape.rank == scores.shape.rank else real[:, None]
    total = tf.reduce_sum(scores * weights, axis=axis)
    return tf.math.divide_no_nan(total, tf.reduce_sum(weights, axis=axis))
