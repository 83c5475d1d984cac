"""What models share whose items are told by images, texts and recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from tfrec.models.families import FactorScorer, Tensors

ITEMS_AT_ONCE = 512
KEPT = "state:"


class ContentItems(FactorScorer):
    """Items of images and recordings, which a batch leaves out and a file never holds.

    A batch names its items; their images are looked up in the catalogue, where they lie
    decoded. A saved model holds the vectors that were made of them instead: loaded, it
    recommends from those until it is handed data again, and to train on it has to be.
    """

    @property
    def items_at_once(self) -> int:
        """Few: what a convolution makes of an image is many times its size."""
        return ITEMS_AT_ONCE

    def lookup(self, features: Tensors) -> Tensors:
        """As ever, and images and recordings that are not given, by item."""
        inputs = super().lookup(features)
        if self.spec.item in inputs:
            for name in self.catalogue.media_columns:
                if name not in inputs:
                    rows = tf.gather(self.catalogue.table(name), inputs[self.spec.item])
                    inputs[name] = self.columns_layer({name: rows})[name]
        return inputs

    def item_inputs(self, items: tf.Tensor) -> Tensors:
        """``(n,)`` item indices to their looked-up columns."""
        return self.lookup(self.catalogue.at(items))

    def catalogue_state(self) -> Tensors:
        """The vectors of all items: made anew, or those of the file without images."""
        if self.catalogue.complete or not self._kept():
            return super().catalogue_state()
        return self._kept()

    def _kept(self) -> Tensors:
        arrays = self.catalogue.arrays
        found = {n: v for n, v in arrays.items() if n.startswith(KEPT)}
        return {n.removeprefix(KEPT): tf.constant(v) for n, v in found.items()}

    def save(self, filepath: str | Path, **kwargs: Any) -> None:
        """As ever; in the place of images the file holds what they became."""
        if self.adapted and self.catalogue.media_columns:
            for name, values in self.catalogue_state().items():
                self.catalogue.arrays[KEPT + name] = values.numpy()
        super().save(filepath, **kwargs)
