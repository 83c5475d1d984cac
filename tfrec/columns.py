"""The kinds of columns a data set can declare.

Indices: 0 is padding, ``1 .. oov`` are out of vocabulary, the vocabulary follows in
order. With ``hash_bins`` every id falls into ``1 .. hash_bins``. Users hand in raw ids
(strings or int64) and never see an index.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from tfrec.errors import ConfigError, DataError

Side = Literal["user", "item", "context"]
SHOWN = 5  # ids of a vocabulary in what a column prints
PADDING: dict[str, Any] = {"string": "", "int64": -1}


def _check_table(
    name: str,
    vocabulary: tuple,
    hash_bins: int | None,
    oov: int,
    dtype: str = "string",
) -> None:
    if hash_bins is not None and (vocabulary or hash_bins < 1):
        raise ConfigError(
            f"column '{name}': hash_bins={hash_bins} must be positive and stand "
            "without a vocabulary; give one of the two."
        )
    if oov < 1:
        raise ConfigError(f"column '{name}': oov={oov} must be at least 1.")
    if len(set(vocabulary)) != len(vocabulary):
        raise ConfigError(f"column '{name}': the vocabulary repeats a value.")
    if PADDING[dtype] in vocabulary:
        raise ConfigError(
            f"column '{name}': the vocabulary holds {PADDING[dtype]!r}, which stands "
            "for padding; leave it out."
        )


def _check_length(name: str, max_len: int | None) -> None:
    if max_len is not None and max_len < 1:
        raise ConfigError(f"column '{name}': max_len={max_len} must be at least 1.")


class _Table:
    """Index arithmetic of a column that owns an embedding table."""

    vocabulary: tuple
    hash_bins: int | None
    oov: int

    def __repr__(self) -> str:
        """The declaration; of a long vocabulary the first entries and their number."""
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore
        values = {name: getattr(self, name) for name in names}
        values["vocabulary"] = self.vocabulary[:SHOWN]
        shown = [f"{name}={value!r}" for name, value in values.items()]
        if (more := len(self.vocabulary) - SHOWN) > 0:
            shown.append(f"and {more:,} more ids")
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def first(self) -> int:
        """Index of the first vocabulary entry."""
        return 1 + self.oov

    @property
    def size(self) -> int:
        """Rows of the embedding table, padding and out-of-vocabulary included."""
        if self.hash_bins is not None:
            return 1 + self.hash_bins
        return self.first + len(self.vocabulary)


@dataclass(frozen=True, repr=False)
class Categorical(_Table):
    """An id, or a bag of ids when ``max_len`` is set.

    Attributes:
        name: Column name.
        side: Whether it describes the user, the item or the event (``context``).
        dtype: Raw type, ``string`` or ``int64``. Padding is ``""`` or ``-1``.
        vocabulary: Known ids in index order.
        hash_bins: Number of hash buckets, instead of a vocabulary. A bucket of users is
            many people: it has an embedding, but no history and no seen items in what a
            model keeps, recommends from and exports.
        oov: Number of buckets for ids outside the vocabulary.
        dim: Embedding width; the model's own when None.
        max_len: Length of the padded bag; None for a single id.
    """

    kind: ClassVar[str] = "categorical"
    name: str
    side: Side = "context"
    dtype: Literal["string", "int64"] = "string"
    vocabulary: tuple = ()
    hash_bins: int | None = None
    oov: int = 1
    dim: int | None = None
    max_len: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in PADDING:
            raise ConfigError(
                f"column '{self.name}': dtype '{self.dtype}' is not string or int64."
            )
        _check_table(self.name, self.vocabulary, self.hash_bins, self.oov, self.dtype)
        _check_length(self.name, self.max_len)

    @cached_property
    def raw(self) -> np.ndarray:
        """``(size,)`` raw id of every index; padding for pad and unknown rows."""
        values = np.full(
            self.size,
            PADDING[self.dtype],
            object if self.dtype == "string" else np.int64,
        )
        if self.hash_bins is None:
            values[self.first :] = self.vocabulary
        return values


@dataclass(frozen=True)
class Numeric:
    """A number or a fixed-shape array of numbers, raw at the model's door.

    ``zscore`` is ``(x - mean) / std``; ``log`` is the z-score of ``log(1 + x)`` with
    negative x taken as 0; ``quantile`` is the empirical distribution function at x,
    linear between ``boundaries`` (Covington 2016, section 4.1), in ``[0, 1]``. A
    missing value (NaN) becomes the mean, or the median for ``quantile``. Infinity is a
    value with ``clip``, which bounds it, and missing without.

    Attributes:
        name: Column name.
        side: User, item or context.
        shape: Shape of one value.
        normalisation: None, ``zscore``, ``log`` or ``quantile``.
        mean: Learned mean (of ``log(1 + x)`` for ``log``).
        std: Learned standard deviation.
        boundaries: Learned quantiles at equal steps of probability, ascending; a
            frequent value stands there several times.
        clip: Lowest and highest raw value; those outside take the nearer one before
            anything is learned or normalised. None leaves values as they are.
    """

    kind: ClassVar[str] = "numeric"
    name: str
    side: Side = "context"
    shape: tuple[int, ...] = ()
    normalisation: Literal["zscore", "log", "quantile"] | None = None
    mean: float = 0.0
    std: float = 1.0
    boundaries: tuple[float, ...] = ()
    clip: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.normalisation not in (None, "zscore", "log", "quantile"):
            raise ConfigError(
                f"column '{self.name}': normalisation '{self.normalisation}' is not "
                "zscore, log or quantile."
            )
        if self.clip is None:
            return
        if len(self.clip) != 2 or not -np.inf < self.clip[0] < self.clip[1] < np.inf:
            raise ConfigError(
                f"column '{self.name}': clip={self.clip} must be a lowest and a "
                "highest value, both finite and the lowest first."
            )

    def present(self, values: np.ndarray) -> np.ndarray:
        """The values to learn from, ``(any,)`` float64: clipped, none missing."""
        values = np.asarray(values, np.float64).ravel()
        if self.clip is not None:
            values = np.clip(values, *self.clip)
        return values[np.isfinite(values)]

    def fit(self, values: np.ndarray, quantiles: int = 101) -> Numeric:
        """Returns the column with the statistics of ``values`` (any shape, float).

        Raises:
            DataError: Every value is missing.
        """
        values = self.present(values)
        if not len(values):
            raise DataError(
                f"column '{self.name}': every value is missing, so nothing can be "
                "learned from it; drop the column."
            )
        if self.normalisation == "quantile":
            cuts = np.quantile(values, np.linspace(0, 1, quantiles))
            return dataclasses.replace(self, boundaries=tuple(cuts.tolist()))
        if self.normalisation == "log":
            values = np.log1p(np.maximum(values, 0))
        return dataclasses.replace(
            self, mean=float(values.mean()), std=float(values.std()) or 1.0
        )


@dataclass(frozen=True)
class Sequence:
    """Time-ordered ids of another column, oldest first, sharing its table.

    Attributes:
        name: Column name.
        of: Name of the :class:`Categorical` whose ids these are.
        max_len: Length of the padded sequence; the latest entries are kept.
        side: User, item or context.
    """

    kind: ClassVar[str] = "sequence"
    name: str
    of: str
    max_len: int = 50
    side: Side = "user"

    def __post_init__(self) -> None:
        _check_length(self.name, self.max_len)


@dataclass(frozen=True, repr=False)
class Text(_Table):
    """Free text as a padded bag of word or letter-trigram indices.

    Letter trigrams are those of ``#word#`` (Huang 2013, section 3.2).

    Attributes:
        name: Column name.
        side: User, item or context.
        tokens: ``word`` or ``trigram``; both after lower-casing, split at whatever is
            neither letter nor digit.
        vocabulary: Known tokens in index order.
        hash_bins: Number of hash buckets, instead of a vocabulary.
        oov: Number of buckets for unknown tokens.
        dim: Embedding width; the model's own when None.
        max_len: Tokens kept, from the start of the text.
    """

    kind: ClassVar[str] = "text"
    name: str
    side: Side = "item"
    tokens: Literal["word", "trigram"] = "word"
    vocabulary: tuple = ()
    hash_bins: int | None = None
    oov: int = 1
    dim: int | None = None
    max_len: int = 16

    def __post_init__(self) -> None:
        if self.tokens not in ("word", "trigram"):
            raise ConfigError(
                f"column '{self.name}': tokens '{self.tokens}' is not word or trigram."
            )
        _check_table(self.name, self.vocabulary, self.hash_bins, self.oov)
        _check_length(self.name, self.max_len)


@dataclass(frozen=True)
class Image:
    """An encoded image (JPEG, PNG, GIF, BMP); raw values are the bytes of the file.

    The model's numbers are ``(height, width, channels)`` uint8. No image is a file of
    no bytes, and all 0; so is a file that cannot be read.

    Attributes:
        name: Column name.
        side: User, item or context.
        height: Rows in pixels after resizing.
        width: Columns in pixels after resizing.
        channels: 1 or 3.
    """

    kind: ClassVar[str] = "image"
    name: str
    side: Side = "item"
    height: int = 64
    width: int = 64
    channels: int = 3

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.channels not in (1, 3):
            raise ConfigError(
                f"column '{self.name}': an image of {self.height} x {self.width} "
                f"pixels and {self.channels} channels cannot be: use 1 pixel or more "
                "and 1 or 3 channels."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels of one image."""
        return (self.height, self.width, self.channels)


@dataclass(frozen=True)
class Audio:
    """A WAV recording (16-bit PCM); raw values are the bytes of the file.

    The model's numbers are ``(samples,)`` int16: the mean of the channels, at the rate
    of the column, cut or followed by 0. No recording is a file of no bytes, and all 0;
    so is a file that cannot be read.

    Attributes:
        name: Column name.
        side: User, item or context.
        sample_rate: Hertz. A file of another rate is resampled.
        seconds: Length kept, from the start.
    """

    kind: ClassVar[str] = "audio"
    name: str
    side: Side = "item"
    sample_rate: int = 16_000
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.sample_rate < 1 or self.sample_rate * self.seconds < 1:
            raise ConfigError(
                f"column '{self.name}': {self.seconds:g} seconds at "
                f"{self.sample_rate} Hz hold no sample: use a higher rate or a longer "
                "time."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the samples of one recording."""
        return (int(self.sample_rate * self.seconds),)


Column: TypeAlias = Categorical | Numeric | Sequence | Text | Image | Audio
KINDS: dict[str, Any] = {
    c.kind: c for c in (Categorical, Numeric, Sequence, Text, Image, Audio)
}
