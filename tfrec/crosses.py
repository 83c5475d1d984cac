"""Combinations of columns, declared in a spec beside its columns."""

from __future__ import annotations

from dataclasses import dataclass

from tfrec.errors import ConfigError


@dataclass(frozen=True)
class Cross:
    """Combinations of the ids of several columns, each with a weight of its own.

    A linear model cannot learn that two ids matter together unless their combination
    is a feature (Cheng 2016, section 3.1). Combinations are hashed. A bag gives one for
    each of its entries.

    Attributes:
        of: Names of the crossed columns: ids, bags, sequences or texts.
        hash_bins: Number of hash buckets.
    """

    of: tuple[str, ...]
    hash_bins: int = 2**16

    def __post_init__(self) -> None:
        if len(set(self.of)) != len(self.of) or len(self.of) < 2:
            raise ConfigError(
                f"a cross of {', '.join(self.of) or 'nothing'} is none: name two or "
                "more different columns."
            )
        if self.hash_bins < 1:
            raise ConfigError(
                f"cross of {', '.join(self.of)}: hash_bins={self.hash_bins} must be "
                "positive."
            )
