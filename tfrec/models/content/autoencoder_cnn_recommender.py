"""Ratings from a code of the user's row and a code of what the item holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tensorflow as tf

from tfrec import keras
from tfrec.data.matrix import Side
from tfrec.errors import ConfigError
from tfrec.layers.content import ContentFeatures, Sizes
from tfrec.layers.mlp import mlp
from tfrec.layers.sparse_rows import Entries
from tfrec.losses import weighted_mean
from tfrec.models.autoencoders._ratings import FromRatings
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.content._content import ContentItems
from tfrec.models.families import BatchLoss, Tensors, cosine_to_all


class AutoencoderCNNRecommender(FromRatings, ContentItems, BatchLoss):
    """An autoencoder's code of a user meets a network's code of a film.

    The recommender of a tutorial in six steps: rows of ratings, an autoencoder over
    them, a convolutional network over what is known of films, the similarity of the two
    codes, a regression on it, and the films of the best predictions. With r the row of
    a user's ratings less their mean m, 0 where there is none, and x_i what item i
    holds::

        u     = sigmoid(V r + d)                           code of the user
        v_i   = T [CNN(image); CNN(text); ...](x_i)        code of the item
        r_ui  = m + a (u . v_i) + c                        regression on the similarity
        h(r)  = W u + b                                    the row rebuilt
        loss  = mean over ratings of (r_ui - rating)^2 + lambda (h(r)_i - r_i)^2

    all learned together. A film that nobody rated is predicted from what it holds.

    Differs from the paper: there is none, and the listing that goes round does not do
    what its six steps say. Its codes of users and items have different widths, so they
    have no inner product; here both have ``dim``. It takes similarities of codes whose
    networks have not been trained for them; here the error of the rating reaches both.
    It rebuilds missing ratings as zeros; here they are no part of input or loss. It
    predicts ratings that its input holds; here a share of them is left out of the
    input in training, and those of validation and test are never in it.

    See :class:`~tfrec.models.autoencoders._ratings.FromRatings` for what is known of a
    user.

    Args:
        spec: The columns; user id, label and every item-side column are read.
        **config: See ``Config``.

    Call: user ids ``(batch,)``, item ids and content to ``(batch,)`` float32 ratings.

    Raises:
        ValueError: The spec has no item-side column beside the id; hashed ids; events
            without a label.

    Example:
        >>> data = tfrec.datasets.load("movielens/1m-content")
        >>> model = AutoencoderCNNRecommender(data.spec.select("genres", "plot"))
        >>> model.compile()
        >>> model.fit(train.batches(model, 128), epochs=20)
    """

    paper = "The six-step tutorial; autoencoder of Sedhain et al. 2015; CNN of Kim 2014"
    objective = "squared error of ratings and of the rebuilt row"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of both codes.
            layers: Hidden widths of T.
            reconstruction: lambda, weight of the rebuilt row.
            corruption: Share of the ratings that training leaves out of the input.
            image_filters: Channels of each convolution over pixels.
            backbone: Network of ``keras.applications`` over pixels, instead.
            text_windows: Widths of the windows over words.
            text_filters: Filters of each width.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 128, log=True)] = 32
        layers: tuple[int, ...] = (64,)
        reconstruction: Annotated[float, Tune(0.0, 1.0)] = 0.5
        corruption: Annotated[float, Tune(0.0, 0.8)] = 0.3
        image_filters: tuple[int, ...] = (16, 32, 64)
        backbone: str | None = None
        text_windows: tuple[int, ...] = (3, 4, 5)
        text_filters: Annotated[int, Tune(16, 128, log=True)] = 64
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 2e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, names = self.config, self.item_columns[1:]
        if not names:
            raise ConfigError(
                "AutoencoderCNNRecommender tells items by what they hold, and the spec "
                "has no item column beside the id: give it a text, an image or a "
                "category with side='item'."
            )
        items, dim = self.spec.item_column.size, config.dim
        full: dict[str, Any] = {"experimental_autocast": False}

        def weight(name: str, *shape: int) -> tf.Variable:
            drawn = keras.initializers.GlorotUniform(seed=next(self.seeds))
            return self.add_weight(name, shape, initializer=drawn, **full)

        self.encoder, self.decoder = weight("V", items, dim), weight("W", items, dim)
        self.code_bias = self.add_weight("d", (dim,), initializer="zeros", **full)
        self.row_bias = self.add_weight("b", (items,), initializer="zeros", **full)
        self.scale = self.add_weight("a", (), initializer="ones", **full)
        self.shift = self.add_weight("c", (), initializer="zeros", **full)
        sizes = Sizes(
            config.image_filters,
            config.backbone,
            config.text_windows,
            config.text_filters,
        )
        self.content = ContentFeatures(self.spec, names, dim, self.seeds, sizes)
        self.tower = mlp((*config.layers, dim), self.seeds, last=None, name="tower")

    @property
    def side(self) -> Side:
        """The autoencoder reads the rows of users."""
        return "user"

    @property
    def item_columns(self) -> tuple[str, ...]:
        """The id, by which rows are read, and all that items hold."""
        rest = (c.name for c in self.spec.on("item") if c.name != self.spec.item)
        return (self.spec.item, *rest)

    def code(self, entries: Entries) -> tf.Tensor:
        """``u``: ``(rows, dim)`` of rows of ratings less their mean."""
        total = entries.times(tf.gather(self.encoder, entries.ids))
        return tf.sigmoid(total + self.code_bias)

    def content_code(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """``v``: ``(items, dim)`` of looked-up columns."""
        vectors = self.content(inputs, training=training)
        joined = [tf.cast(vector, tf.float32) for vector in vectors.values()]
        return tf.cast(self.tower(tf.concat(joined, axis=1)), tf.float32)

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Mean over the ratings of a row, then over rows."""
        rows, entries = self.batch_rows(features)
        centred = entries.value - self.mean
        if training:
            draw = tf.random.stateless_uniform(tf.shape(centred), self.step_seed())
            seen = tf.where(draw < self.config.corruption, 0.0, centred)
            code = self.code(entries.with_value(seen))
        else:
            known = self.rated.entries(rows)
            code = self.code(known.with_value(known.value - self.mean))
        # Each item of the batch is encoded once.
        items = tf.cast(entries.ids, tf.int32)
        vectors = self.content_code(self.item_inputs(items), training)
        similar = entries.dot(code, vectors[:, None])[:, 0]
        errors = tf.square(self.scale * similar + self.shift - centred)
        decoder = tf.gather(self.decoder, entries.ids)
        rebuilt = entries.dot(code, decoder[:, None])[:, 0]
        rebuilt += tf.gather(tf.gather(self.row_bias, entries.ids), entries.place)
        errors += self.config.reconstruction * tf.square(rebuilt - centred)
        counts = entries.sums(tf.ones_like(errors))
        return weighted_mean(
            tf.math.divide_no_nan(entries.sums(errors), counts), weight
        )

    def query(self, inputs: Tensors) -> tf.Tensor:
        """``[a u, c + m]``: ``(batch, dim + 1)``."""
        distinct, place = tf.unique(inputs[self.spec.user])
        known = self.rated.entries(distinct)
        code = self.scale * self.code(known.with_value(known.value - self.mean))
        rest = tf.fill([tf.size(distinct), 1], self.shift + self.mean)
        return tf.gather(tf.concat([code, rest], axis=1), place)

    def item(self, inputs: Tensors) -> tf.Tensor:
        """``[v, 1]``: ``(batch, dim + 1)``."""
        vectors = self.content_code(inputs)
        return tf.concat([vectors, tf.ones_like(vectors[:, :1])], axis=1)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the codes of what items hold."""
        vectors = self.catalogue_state()["item"][:, :-1]
        return cosine_to_all(vectors, items, self.spec.item_column.first)
