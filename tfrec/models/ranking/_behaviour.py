"""What models of user behaviour share: histories beside the candidate item."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec import backend
from tfrec.data.interactions import index_key
from tfrec.data.views import Positives
from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec, Numeric, Sequence
from tfrec.layers.embedding import masked_mean
from tfrec.layers.fields import FieldEmbeddings
from tfrec.layers.item_table import ItemTable
from tfrec.models.config import Tune
from tfrec.models.explain import Reason, occlusions
from tfrec.models.families import PAIRS, Tensors
from tfrec.models.ranking._click import ClickConfig, ClickModel

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

BLOCK = 65_536


@dataclass(frozen=True)
class BehaviourConfig(ClickConfig):
    """Hyper-parameters of every model of user behaviour.

    Attributes:
        dim: Width of all embeddings; a column's own width is not used.
        layers: Hidden widths of the final MLP.
        activation: Of hidden layers.
        l2: Mini-batch aware regularisation: ``l2 / 2`` times the squared norm of every
            row of a batch, divided by how often the training data have it.
    """

    dim: Annotated[int, Tune(4, 64, log=True)] = 16
    layers: tuple[int, ...] = (200, 80)
    activation: Annotated[Literal["dice", "prelu"], Tune(choices=("dice", "prelu"))] = (
        "dice"
    )


@dataclass(frozen=True)
class Embedded:
    """Looked-up columns as vectors.

    Attributes:
        fields: ``(batch, all fields side by side)``; a bag, and a sequence that is not
            of items, is the mean of its entries.
        candidate: ``(batch, width)``: the item id's vector and those of its columns.
        histories: ``(batch, length, width)`` of each sequence of items.
        masks: ``(batch, length)`` bool of each, True where an entry is no padding.
        others: ``(batch, ..., width)`` of further items, when asked for.
    """

    fields: tf.Tensor
    candidate: tf.Tensor
    histories: list[tf.Tensor]
    masks: list[tf.Tensor]
    others: list[tf.Tensor]


class BehaviourModel(ClickModel):
    """A click model that reads what the user did before.

    An entry of a history is the item id's vector joined with those of its item-side
    columns of ids and words, which are gathered from the catalogue. All vectors of a
    batch are one lookup.
    """

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        spec = self.spec
        self.sequences = tuple(n for n in self.columns if _of(spec, n) == spec.item)
        if not self.sequences:
            raise ConfigError(
                f"{type(self).__name__} needs the user's history: declare "
                f"Sequence('history', of='{spec.item}') in the spec."
            )
        self.fields = FieldEmbeddings(
            spec,
            self.columns,
            self.config.dim,
            l2=self.config.l2,
            seed=next(self.seeds),
        )
        self.id_columns = tuple(
            n
            for n in self.columns
            if n not in self.sequences and not isinstance(spec[n], Numeric)
        )
        sides = (n for n in self.item_columns if n != spec.item)
        self.item_table = ItemTable(
            spec, tuple(n for n in sides if n in self.id_columns)
        )
        self.width = self.config.dim * (1 + len(self.item_table.names))

    @property
    def pairs_at_once(self) -> int:
        """Fewer than of other models: a pair holds whole histories."""
        longest = max(self.spec.length(n) or 1 for n in self.sequences)
        return max(1, PAIRS // longest)

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue, and counts ids where they are regularised."""
        super().adapt(data)
        arrays = self.catalogue.arrays
        self.item_table.fill({n: arrays[f"item:{n}"] for n in self.item_table.names})
        if self.config.l2:
            arrays["occurrences"] = self._count(self.view().learned(data))

    def _count(self, data: Interactions) -> np.ndarray:
        """``(table rows,)`` float32: entries of each id in an epoch, at least 1.

        Of drawn negatives the expected number is counted.
        """
        spec, growth = self.spec, 1 + self.config.negatives
        (weights,) = self.fields.tables.values()
        counts = np.zeros(weights.shape[0])

        def add(name: str, indices: np.ndarray, times: float = 1.0) -> None:
            real = indices[indices > 0] + self.fields.offsets[name]
            counts[:] += times * np.bincount(real, minlength=len(counts))

        names = (*self.id_columns, *self.sequences)
        for block in Positives().batches(data, BLOCK, False, columns=self.columns):
            found = {n: block[index_key(spec[n].kind, n)].numpy() for n in names}
            for name, indices in found.items():
                add(name, indices, 1 if name in self.item_columns else growth)
            for name in self.sequences:
                for side, table in self._sides().items():
                    add(side, table[found[name][found[name] > 0]], growth)
        column = spec.item_column
        drawn = self.config.negatives * len(data) / max(column.size - column.first, 1)
        add(spec.item, np.arange(column.first, column.size), drawn)
        for side, table in self._sides().items():
            add(side, table[column.first :], drawn)
        return np.maximum(counts, 1).astype(np.float32)

    def _sides(self) -> dict[str, np.ndarray]:
        """The catalogue's columns of items that histories have too."""
        names = self.item_table.names
        return {n: self.catalogue.arrays[f"item:{n}"] for n in names}

    def _occurrences(self) -> np.ndarray | None:
        if not self.config.l2:
            return None
        if "occurrences" not in self.catalogue.arrays:
            raise ConfigError(
                f"l2={self.config.l2} is divided by how often an id occurs and the "
                "model has met no data: call train.batches(model, n) or "
                "model.adapt(train) first."
            )
        return self.catalogue.arrays["occurrences"]

    def embed(
        self,
        inputs: Tensors,
        training: bool | None = None,
        others: tuple[tf.Tensor, ...] = (),
    ) -> Embedded:
        """Looked-up columns as vectors.

        Args:
            inputs: Looked-up columns.
            training: Whether the rows are regularised.
            others: Indices ``(batch, ...)`` of further items to embed.
        """
        spec, sides = self.spec, self.item_table.names
        lookups = [(n, inputs[n]) for n in self.id_columns]
        items = [*(inputs[n] for n in self.sequences), *others]
        for indices in items:
            lookups.append((spec.item, indices))
            lookups += self.item_table(indices).items()
        occurrences = self._occurrences() if training else None
        vectors = self.fields.entries(lookups, training, occurrences)
        pooled = [
            v if _single(spec, n) else masked_mean(v, indices)
            for v, (n, indices) in zip(vectors, lookups, strict=True)
        ]
        own, count = len(self.id_columns), 1 + len(sides)
        by_name = dict(zip(self.id_columns, pooled[:own], strict=True))
        joined = [
            tf.concat(pooled[start : start + count], axis=-1)
            for start in range(own, len(pooled), count)
        ]
        fields = pooled[:own]
        if self.fields.numbers:
            numbers = self.fields.scaled(inputs)
            fields.append(tf.reshape(numbers, [-1, math.prod(numbers.shape[1:])]))
        known = len(self.sequences)
        return Embedded(
            tf.concat(fields, axis=1),
            tf.concat([by_name[n] for n in (spec.item, *sides)], axis=1),
            joined[:known],
            [indices > 0 for indices in items[:known]],
            joined[known:],
        )

    def sequence_place(self, name: str | None) -> int:
        """Which of ``sequences`` has this name; the first when None.

        Raises:
            ConfigError: None has.
        """
        if name is None:
            return 0
        if name not in self.sequences:
            raise ConfigError(
                f"'{name}' is no history that the model attends to: choose one of "
                f"{', '.join(self.sequences)}."
            )
        return self.sequences.index(name)

    def attention(self, features: Tensors, name: str | None = None) -> tf.Tensor:
        """``(batch, length)`` weights of a history's entries for the candidate."""
        raise NotImplementedError

    def reasons(self, pair: Tensors) -> list[Reason]:
        """Items of the histories by the model's own attention, and other columns."""
        weights = {name: self.attention(pair, name) for name in self.sequences}
        return occlusions(self, pair, weights)

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Scores of every pair, by parts of the catalogue where it is large."""
        count = int(next(iter(state.values())).shape[0])
        size = self.pairs_at_once
        if count <= size:
            return super().catalogue_scores(features, state)
        score = super().catalogue_scores

        def part(start: tf.Tensor) -> tf.Tensor:
            rows = tf.minimum(start + tf.range(size), count - 1)
            return score(features, {n: tf.gather(v, rows) for n, v in state.items()})

        starts = tf.range(0, count, size)
        scores = backend.mapped(part, starts)
        scores = tf.transpose(scores, [1, 0, 2])
        return tf.reshape(scores, [tf.shape(scores)[0], -1])[:, :count]

    def item_vectors(self, inputs: Tensors) -> tf.Tensor:
        """The embedded item ids: ``(items, dim)``."""
        return self.fields.rows(self.spec.item, inputs)


def _of(spec: FeatureSpec, name: str) -> str | None:
    column = spec[name]
    return column.of if isinstance(column, Sequence) else None


def _single(spec: FeatureSpec, name: str) -> bool:
    return spec[name].kind != "text" and spec.length(name) is None
