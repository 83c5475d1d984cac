"""Two towers, that of items reading content alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, DataError
from tfrec.layers.content import ContentFeatures, Sizes
from tfrec.models.config import Tune
from tfrec.models.content._content import ContentItems
from tfrec.models.families import Tensors
from tfrec.models.retrieval.two_tower import TwoTower

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class ContentTower(ContentItems, TwoTower):
    """A user tower that meets what an item looks, reads and sounds like.

    ::

        s(x, y) = <u(x), v(y)> / temperature
        v(y) = tower([CNN(image); CNN(text); GRU(recording); categories; numbers])

    learned by the in-batch softmax of :class:`TwoTower`, end to end. No part of an
    item's vector is its id, so an item that nobody has touched is recommended like any
    other, and a new one has a vector from its columns: ``item_embedding`` takes the
    bytes of its image. The encoders are :class:`~tfrec.layers.image.ImageEncoder`,
    :class:`~tfrec.layers.text.TextEncoder` (Kim 2014) and
    :class:`~tfrec.layers.audio.AudioEncoder`; what an item lacks, or what cannot be
    read, has a learned vector.

    Images and recordings are kept decoded in memory (see
    :func:`tfrec.data.media.decoded`) and encoded once for each item of a batch. They
    are neither saved nor exported: vectors are.

    Differs from the paper: there is no single one. User tower and loss are those of
    Huang et al. 2013 and Yi et al. 2019; that items are told by content alone is van
    den Oord et al. 2013, "Deep content-based music recommendation", who fit vectors of
    a factorisation instead of learning end to end.

    Args:
        spec: The columns; every user-side, context and item-side column is read.
        **config: See ``Config``.

    Call: features to ``(batch,)`` float32 scores.

    Raises:
        ValueError: The spec has no item-side column beside the id.

    Example:
        >>> data = tfrec.datasets.load("movielens/1m-content")
        >>> model = ContentTower(data.spec, dim=64)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=5)
        >>> model.recommend({"user_id": ["42"]}, k=10)
    """

    paper = "van den Oord et al. 2013, Deep content-based recommendation; Kim 2014"
    objective = "in-batch softmax, items by image, text and sound alone"

    @dataclass(frozen=True)
    class Config(TwoTower.Config):
        """Hyper-parameters, beside those of :class:`TwoTower`.

        Attributes:
            image_filters: Channels of each convolution over pixels.
            backbone: Network of ``keras.applications`` over pixels, instead.
            text_windows: Widths of the windows over words.
            text_filters: Filters of each width.
            audio_units: Width of the GRU over a spectrogram.
            audio_bands: Bands of the spectrogram.
            dropout: Share of what the filters over words give that is dropped in
                training.
        """

        optimizer: Literal["adam", "adagrad"] = "adam"
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3
        image_filters: tuple[int, ...] = (16, 32, 64)
        backbone: str | None = None
        text_windows: tuple[int, ...] = (3, 4, 5)
        text_filters: Annotated[int, Tune(16, 128, log=True)] = 64
        audio_units: int = 32
        audio_bands: int = 40
        dropout: Annotated[float, Tune(0.0, 0.5)] = 0.0

    def _item_features(self) -> ContentFeatures:
        names = tuple(name for name in self.item_columns if name != self.spec.item)
        if not names:
            raise ConfigError(
                "ContentTower tells items by what they hold, and the spec has no item "
                "column beside the id: give it a text, an image or a category with "
                "side='item'."
            )
        config = self.config
        sizes = Sizes(
            config.image_filters,
            config.backbone,
            config.text_windows,
            config.text_filters,
            config.audio_units,
            config.audio_bands,
            config.dropout,
        )
        return ContentFeatures(self.spec, names, config.dim, self.seeds, sizes)

    def item(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """``v(y)``: ``(batch, dim)``."""
        return self._tower(
            self.item_features, self.item_tower, inputs, training=training
        )

    def candidates(self, inputs: Tensors, training: bool) -> tf.Tensor:
        """``v(y)`` of the items of a batch, each encoded once."""
        items, place = tf.unique(inputs[self.spec.item])
        return tf.gather(self.item(self.item_inputs(items), training), place)

    def over(self, data: Interactions) -> ContentTower:
        """The model over another catalogue, such as one of items that came since.

        Nothing is trained: what the towers know holds for items they never met. Only in
        histories an item has a vector of its own, which a new one begins anew.

        Args:
            data: Events and items of a spec that differs in the ids of items alone.

        Returns:
            A new model that has met ``data`` and ranks its items.

        Raises:
            DataError: The specs differ in more.
        """
        if data.spec.replace(self.spec.item_column) != self.spec:
            raise DataError(
                f"the spec of {data.name} differs from the model's in more than the "
                f"ids of '{self.spec.item}': read the data with the model's columns."
            )
        model = ContentTower(data.spec, self.config)
        for one in (self, model):
            one.ensure_built()
        model.adapt(data)
        items = self.query_features.tables.get(self.spec.item)
        apart = set() if items is None else {id(items.embeddings)}
        pairs = zip(model._towers(), self._towers(), strict=True)
        for theirs, ours in pairs:
            if id(ours) not in apart:
                theirs.assign(ours)
        if items is not None:
            old, new = self.spec.item_column, data.spec.item_column
            place = self.spec.encode(old.name, new.raw.tolist())
            known = place >= old.first
            # Padding and unknown items, of which training left vectors too.
            shared = min(old.first, new.first)
            place[:shared], known[:shared] = np.arange(shared), True
            table = model.query_features.tables[self.spec.item].embeddings
            own = tf.gather(items.embeddings, place)
            table.assign(tf.where(known[:, None], own, table))
        return model

    def _towers(self) -> list[tf.Variable]:
        """The weights of both sides, those of no metric."""
        layers = (
            self.query_features,
            self.query_tower,
            self.item_features,
            self.item_tower,
        )
        return [variable for layer in layers for variable in layer.weights]
