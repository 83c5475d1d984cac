"""Bags and sequences whose rows are cut at different separators.

``1|2,3`` is three ids or two, and only the other rows tell. It is refused where no
reading of it as an id is left:

- ids are integers, declared so or those of the column that a sequence refers to;
- a sequence has an id that the column it refers to lacks, and has all its parts;
- a bag has such an id on one row only, which holds the right separator too, and all its
  parts are ids of other rows.

So titles and names with a comma pass, and a column that is cut at another separator
throughout: pass that separator. Hashed bags and bags of a declared vocabulary pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tfrec.columns import Categorical, Sequence
from tfrec.data.convert import Converter
from tfrec.data.mapping import Declared
from tfrec.data.values import SEPARATORS, foreign, mixed_separators
from tfrec.errors import DataError
from tfrec.features import FeatureSpec

MOST = 10_000


@dataclass(frozen=True)
class Suspect:
    """An id with another separator, its row, and whether it is alone there."""

    row: int
    value: str
    alone: bool


class SeparatorCheck:
    """Collects suspicious ids of a stream and judges them when the spec is known.

    Args:
        converter: Where the blocks come from, for places in messages.
        declared: Its columns.
        separator: Between the values of a row.
    """

    def __init__(
        self, converter: Converter, declared: tuple[Declared, ...], separator: str
    ) -> None:
        self._converter, self._separator = converter, separator
        self._sources = {d.column.name: d.source for d in declared}
        self._suspects: dict[str, list[Suspect]] = {
            d.column.name: []
            for d in declared
            if isinstance(d.column, Sequence)
            or (isinstance(d.column, Categorical) and d.column.max_len)
        }
        self._rows = 0

    def add(self, block: dict[str, pa.Array]) -> None:
        """Takes the typed columns of a block."""
        for name, suspects in self._suspects.items():
            values = block[name]
            if len(suspects) >= MOST or not pa.types.is_string(values.type.value_type):
                continue
            rows, ids = foreign(values, self._separator)
            lengths = pc.list_value_length(values)
            for row, value in zip(rows.tolist(), ids, strict=True):
                alone = lengths[row].as_py() == 1
                suspects.append(Suspect(self._rows + row, value, alone))
        self._rows += len(next(iter(block.values())))

    def finish(self, spec: FeatureSpec) -> None:
        """Judges.

        Raises:
            DataError: Names the line, the id and both separators.
        """
        for name, suspects in self._suspects.items():
            table = spec.table(name)
            vocabulary = set(table.vocabulary) if suspects else set()
            bag = not isinstance(spec[name], Sequence)
            if bag and len({s.row for s in suspects}) > 1:
                continue
            integers = getattr(table, "dtype", "string") == "int64"
            for suspect in suspects:
                # A bag's own ids are all in its vocabulary, but for rare ones.
                fits = suspect.value in vocabulary
                slip = fits and not suspect.alone if bag else not fits
                parts = re.split(f"[{SEPARATORS}]", suspect.value)
                known = vocabulary.issuperset(part.strip() for part in parts)
                if not (integers or (slip and known)):
                    continue
                problem = mixed_separators(suspect.value, self._separator)
                raise DataError(
                    f"{self._converter.file.path} "
                    f"{self._converter.place(suspect.row)}, column "
                    f"'{self._sources[name]}': {problem}."
                )
