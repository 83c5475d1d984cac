"""Frappe: which app a person starts in which context, with drawn negatives."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.columns import Categorical
from tfrec.datasets.registry import register
from tfrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from tfrec.data.interactions import Interactions
    from tfrec.data.readers import TableFile

TRAIN = ("frappe/frappe.train.libfm", "frappe/frappe.train.resampled.libfm")
VALID, TEST = ("frappe/frappe.validation.libfm",), ("frappe/frappe.test.libfm",)
SOURCE = "take the files of the neural_factorization_machine repository by He and Chua"
LABEL, CLICK = "label", "click"
FIELDS = (
    "user_id",
    "item_id",
    "daytime",
    "weekday",
    "isweekend",
    "homework",
    "cost",
    "weather",
    "country",
    "city",
)


@dataclass(frozen=True, eq=False)
class FrappeSplit:
    """The published parts; a third of each is positive, the rest drawn negatives.

    Attributes:
        train: 202,027 events in the official file, 202,794 in the resampled one.
        valid: 57,722 events; its past is ``train``.
        test: 28,860 events; its past is ``train`` and ``valid``.
    """

    train: Interactions
    valid: Interactions
    test: Interactions


@register("frappe")
def frappe(data_dir: Path | None = None) -> FrappeSplit:
    """Frappe app usage in its published split: ten fields and a click of 0 or 1.

    Baltrunas et al. 2015, in the libFM files of He and Chua 2017 (Neural Factorization
    Machines). They lie, plain or ``.xz``, in the folder ``frappe`` of the data
    directory: ``frappe.train.libfm``, ``frappe.validation.libfm`` and
    ``frappe.test.libfm``. Where the first is missing, ``frappe.train.resampled.libfm``
    is read: it holds the official positives, but its negatives are drawn anew by the
    same rule (two for each positive) and are not the official ones, so results on it
    are near those published and not comparable digit by digit.

    Columns are ``user_id``, ``item_id`` and the context ``daytime``, ``weekday``,
    ``isweekend``, ``homework``, ``cost``, ``weather``, ``country``, ``city``. Ids are
    the feature numbers of the files, as strings. Vocabularies are those of train: what
    only validation or test hold is out of vocabulary. There are no times.

    Args:
        data_dir: The data directory.

    Returns:
        A :class:`FrappeSplit`; the label ``click`` is float32, 1 for a positive.

    Raises:
        ValueError: A file is missing, or a line is not a label and ten fields.
    """
    from tfrec.data.encode import interactions
    from tfrec.data.mapping import Mapping
    from tfrec.data.readers import open_table
    from tfrec.datasets.sources.folder import found
    from tfrec.datasets.sources.reading import read

    sides = {"user_id": "user", "item_id": "item"}
    columns = {
        f"field_{place}": Categorical(name, sides.get(name, "context"))  # type: ignore[arg-type]
        for place, name in enumerate(FIELDS)
    }
    mapping = Mapping("field_0", "field_1", LABEL, columns=columns)
    parts = []
    spec = None
    for names, part in ((TRAIN, "train"), (VALID, "validation"), (TEST, "test")):
        file = open_table(found("frappe", data_dir, names, SOURCE), "libsvm")
        _check_fields(file)
        learned, table = read(file, mapping)
        table[CLICK] = _clicks(file, table.pop(LABEL))
        spec = spec or dataclasses.replace(learned, label=CLICK)
        parts.append(interactions(spec, table, f"Frappe, {part}"))
    train, valid, test = parts
    valid = dataclasses.replace(valid, past=train, train=train)
    past = train.concat(valid)
    return FrappeSplit(train, valid, dataclasses.replace(test, past=past, train=train))


def _check_fields(file: TableFile) -> None:
    """Refuses lines of another number of fields; the reader holds them to the first."""
    count = len(file.names()) - 1
    if count != len(FIELDS) or file.names()[1] != "field_0":
        raise DataError(
            f"{file.path} does not have the {len(FIELDS)} fields of Frappe on every "
            "line: fetch it again."
        )


def _clicks(file: TableFile, labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Labels of -1 (or 0) and 1 as 0 and 1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.is_in(labels, pa.array([-1, 0, 1], labels.type))
    wrong = pc.index(known, pa.scalar(False)).as_py()
    if wrong >= 0:
        raise DataError(
            f"{file.path} {file.place(wrong)} has label {labels[wrong].as_py():g}, not "
            "-1 or 1: fetch it again."
        )
    return pc.equal(labels, 1).cast(pa.float32())
