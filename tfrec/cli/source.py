"""Which data a command works on: the flags, and loading what they name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec.cli import hyper_parameters, quiet
from tfrec.errors import ConfigError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.data.mapping import Mapping

MAPPING = (
    "user",
    "item",
    "label",
    "timestamp",
    "item_names",
    "column",
    "rename",
    "time_unit",
    "time_format",
    "keep_na",
    "drop_missing",
)
SPLITS = ("temporal", "leave_last_out", "random")


@dataclass(frozen=True)
class Source:
    """Data by name or file, and how they are split.

    Attributes:
        data: Name of a data set, or a file.
        data_dir: Folder of archives and caches; None for the default.
        user: Column of user ids, for files; so on for the next four.
        item: Column of item ids.
        label: Column of labels.
        timestamp: Column of event times.
        item_names: Column of titles.
        column: Further columns, ``name=side:kind``.
        rename: Names that columns take, ``old=new``.
        time_unit: Unit of numeric event times.
        time_format: How event times are written, when not as ISO 8601.
        keep_na: Whether NA, NULL and the like are ids.
        drop_missing: Whether rows without user, item, label or time are left out.
        min_label: Labels from here on are positive; None for the rule of the data.
        columns: Columns that models read; None for all.
        split: Name of the split.
    """

    data: str = "movielens"
    data_dir: str | None = None
    user: str | None = None
    item: str | None = None
    label: str | None = None
    timestamp: str | None = None
    item_names: str | None = None
    column: tuple[str, ...] = ()
    rename: tuple[str, ...] = ()
    time_unit: str | None = None
    time_format: str | None = None
    keep_na: bool = False
    drop_missing: bool = False
    min_label: float | None = None
    columns: tuple[str, ...] | None = None
    split: str = "temporal"

    @classmethod
    def take(cls, values: dict[str, Any]) -> Source:
        """The settings among ``values``; missing ones take their default."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: values[name] for name in names if name in values})

    @property
    def is_prepared(self) -> bool:
        """Whether ``data`` is a directory of `tfrec data prepare`."""
        return (Path(self.data) / "meta.json").is_file()

    @property
    def is_file(self) -> bool:
        """Whether ``data`` is a path rather than the name of a data set."""
        from tfrec import datasets

        if self.data in datasets.names():
            return False
        return Path(self.data).exists() or "." in Path(self.data).name

    def mapping(self) -> Mapping:
        """Roles of the columns of a file.

        Raises:
            ConfigError: The user or the item column is not named.
        """
        from tfrec.data.mapping import Mapping
        from tfrec.data.readers import open_table

        missing = [name for name in ("user", "item") if not getattr(self, name)]
        rename = renamed(self.rename)
        if missing:
            found = ", ".join(open_table(self.data, rename=rename).names())
            raise ConfigError(
                f"{self.data} needs --{' and --'.join(missing)}: name the column of "
                f"{' and of '.join(missing)} ids, out of {found}."
            )
        return Mapping(
            str(self.user),
            str(self.item),
            self.label,
            self.timestamp,
            declared(self.column),
            time_unit=self.time_unit or "s",
            time_format=self.time_format,
            keep_na=self.keep_na,
            drop_missing=self.drop_missing,
            min_label=self.min_label,
            rename=rename,
        )

    def load(self) -> Interactions:
        """Loads the data, whole.

        Raises:
            ValueError: Unknown data set, a flag for files given with a data set, or
                what the loader refuses.
        """
        from tfrec import datasets
        from tfrec.data.interactions import Interactions

        if self.is_file:
            data = self._from_file()
        else:
            self._refuse_mapping("is a data set that names its own columns")
            with quiet.data_sets():
                data = datasets.load(self.data, data_dir=self.data_dir)
        if not isinstance(data, Interactions):
            raise ConfigError(
                f"data set '{self.data}' comes in parts for `tfrec bench published`: "
                "choose another."
            )
        if self.columns:
            data = data.with_spec(data.spec.select(*self.columns))
        if self.min_label is not None:
            data = data.with_min_label(self.min_label)
        return data

    def parts(self) -> tuple[Any, Interactions, Interactions]:
        """Training, validation and test events; prepared ones train from disk."""
        if not self.is_prepared:
            return self.load().split(self.split)
        from tfrec.data import tfrecord

        self._refuse_mapping("is prepared data, whose columns are decided")
        if self.columns:
            raise ConfigError(
                f"--columns chooses among data in memory, and {self.data} is prepared "
                "data: prepare it with the columns wanted."
            )
        return (
            tfrecord.open(self.data, min_label=self.min_label),
            tfrecord.load(self.data, "valid", self.min_label),
            tfrecord.load(self.data, "test", self.min_label),
        )

    def _refuse_mapping(self, why: str) -> None:
        given = [name for name in MAPPING if getattr(self, name)]
        if given:
            raise ConfigError(
                f"--{given[0].replace('_', '-')} is for files, and '{self.data}' "
                f"{why}: leave it out."
            )

    def _from_file(self) -> Interactions:
        from tfrec import datasets

        mapping = self.mapping()
        return datasets.from_file(
            self.data,
            mapping.user,
            mapping.item,
            mapping.label,
            mapping.timestamp,
            columns=mapping.columns,
            rename=mapping.rename,
            item_names=self.item_names,
            time_unit=mapping.time_unit,
            time_format=mapping.time_format,
            keep_na=mapping.keep_na,
            drop_missing=mapping.drop_missing,
            min_label=mapping.min_label,
        )


def declared(words: tuple[str, ...]) -> dict[str, Any]:
    """``name=side:kind`` words as the readers take them.

    Raises:
        ConfigError: A word without name or kind, or two kinds for a name.
    """
    columns: dict[str, str] = {}
    for word in words:
        name, equals, kind = word.partition("=")
        if not (name and equals and kind):
            raise ConfigError(
                f"--column {word} is not NAME=SIDE:KIND: write "
                f"{name or 'genres'}=item:bag, for example."
            )
        if columns.setdefault(name, kind) != kind:
            raise ConfigError(
                f"--column says that '{name}' is {columns[name]} and that it is {kind}:"
                " leave one out."
            )
    return columns


def renamed(words: tuple[str, ...]) -> dict[str, str]:
    """``old=new`` words as the readers take them.

    Raises:
        ConfigError: A word without one of the two, or two new names for a column.
    """
    names: dict[str, str] = {}
    for word in words:
        old, _, new = word.rpartition("=")
        if not (old and new):
            raise ConfigError(
                f"--rename {word} is not OLD=NEW: write 'User Id=user_id', for example."
            )
        if names.setdefault(old, new) != new:
            raise ConfigError(
                f"--rename calls '{old}' both '{names[old]}' and '{new}': leave one "
                "out."
            )
    return names


columns_option = click.option(
    "--columns",
    type=hyper_parameters.ListOf(click.STRING),
    help="Columns the model may read; all by default. Ids are always read.",
)

batch_size_option = click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Examples in a batch, negatives included.",
)

split_option = click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="temporal",
    show_default=True,
    help="How events are held out.",
)


def mapping_options(command: Callable) -> Callable:
    """Flags that say which column of a file is what."""
    return _apply(
        command,
        click.option("--user", metavar="COLUMN", help="Column of user ids (files)."),
        click.option("--item", metavar="COLUMN", help="Column of item ids (files)."),
        click.option("--label", metavar="COLUMN", help="Column of labels (files)."),
        click.option(
            "--timestamp", metavar="COLUMN", help="Column of event times (files)."
        ),
        click.option(
            "--item-names", metavar="COLUMN", help="Column of item titles (files)."
        ),
        click.option(
            "--column",
            metavar="NAME=SIDE:KIND",
            multiple=True,
            help="A further column (files), for example genres=item:bag. Sides: user, "
            "item, context. Kinds: string, int64, bag, number, zscore, log, quantile, "
            "text, infer.",
        ),
        click.option(
            "--rename",
            metavar="OLD=NEW",
            multiple=True,
            help="Another name for a column (files), by which the other flags call it: "
            "names with spaces or accents cannot be served.",
        ),
        click.option(
            "--time-unit",
            type=click.Choice(["s", "ms", "us", "ns"]),
            help="Unit of numeric event times (files); s by default.",
        ),
        click.option(
            "--time-format",
            metavar="FORMAT",
            help="How event times are written (files), when neither numbers nor ISO "
            "8601: '%d.%m.%Y %H:%M', for example.",
        ),
        click.option(
            "--keep-na",
            is_flag=True,
            help="NA, NULL and the like are ids, not missing values (files).",
        ),
        click.option(
            "--drop-missing",
            is_flag=True,
            help="Leave rows without user, item, label or time out (files).",
        ),
        click.option(
            "--min-label",
            type=float,
            metavar="LABEL",
            help="Labels from here on are positive: what a model without ratings "
            "learns, what histories hold and what is relevant. By default those above "
            "0.",
        ),
    )


def data_options(command: Callable) -> Callable:
    """Flags that name the data and the columns of a file."""
    return _apply(
        mapping_options(command),
        click.option(
            "--data",
            metavar="NAME|FILE",
            default="movielens",
            show_default=True,
            help="A data set, or a CSV, TSV, Parquet or libSVM file.",
        ),
        click.option(
            "--data-dir",
            metavar="FOLDER",
            help="Where archives are and prepared data go; TFREC_DATA_DIR by default.",
        ),
    )


def _apply(command: Callable, *options: Callable) -> Callable:
    for option in reversed(options):
        command = option(command)
    return command
