"""A table of results: for terminals, notebooks, JSON and CSV."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tfrec.errors import DataError
from tfrec.evaluation.result import Result

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 1000  # of text that goes to no terminal: nothing is wrapped
LOWER_IS_BETTER = ("rmse", "mae", "mae_hours", "logloss", "weighted_loss")
NEITHER_IS_BETTER = ("popularity", "novelty", "gini", "coverage")
AT_ONE_CUTOFF = ("recall", "ndcg", "mrr", "coverage", "novelty")
AT_SEVERAL = ("recall", "ndcg")
TIES = 0.01  # share of tied places up to which a table does not name it


@dataclass(frozen=True, eq=False)
class Report:
    """Results of several models under one protocol.

    Attributes:
        results: One for each model, in the order they were asked for.
    """

    results: tuple[Result, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A flat dict for each model; errors end in ``_standard_error``."""
        return [_flat(result) for result in self.results]

    @property
    def caption(self) -> str:
        """What was measured, on whom."""
        one = self.results[0]
        return (
            f"{one.data}: {one.protocol}. {one.measured}. ± standard error.{self._ties}"
        )

    @property
    def _ties(self) -> str:
        """Which models leave more than one in a hundred places to chance."""
        shares = [f"{r.model} {r.tied:.1%}" for r in self.results if r.tied > TIES]
        if not shares:
            return ""
        return f" Places of tied items, in the mean of all orders: {', '.join(shares)}."

    @property
    def columns(self) -> list[str]:
        """The metrics that the table shows; ``rows`` have all."""
        names = list(self.results[0].metrics)
        cutoffs = [name for name in names if name.startswith("recall@")]
        if not cutoffs:
            return names
        shown = AT_ONE_CUTOFF if len(cutoffs) == 1 else AT_SEVERAL
        return [n for n in names if n.partition("@")[0] in shown]

    def best(self, metric: str) -> float | None:
        """The best value, None for a metric without better and worse."""
        name = metric.partition("@")[0]
        if name in NEITHER_IS_BETTER or len(self.results) < 2:
            return None
        choose = min if name in LOWER_IS_BETTER else max
        return choose(result.metrics[metric] for result in self.results)

    def __rich__(self) -> Table:
        return self._table("[bold]{}[/bold]", "{}", "Best in bold.")

    def __str__(self) -> str:
        from rich.console import Console

        terminal = sys.stdout.isatty()
        table = (
            self.__rich__()
            if terminal
            else self._table("{} *", "{}  ", "Best with a star.")
        )
        text = io.StringIO()
        width = None if terminal else WIDTH
        Console(file=text, force_terminal=terminal, width=width).print(table)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip(
            "\n"
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(c)}</th>" for c in ["model", *self.columns])
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
            for cells in self._cells("<b>{}</b>", "{}", html.escape)
        )
        caption = html.escape(f"{self.caption} Best in bold.")
        return (
            f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )

    def to_json(self, path: str | Path) -> None:
        """Writes all results, beside and renamed."""
        document = {
            "caption": self.caption,
            "results": [result.to_dict() for result in self.results],
        }

        def write(file: TextIO) -> None:
            json.dump(document, file, indent=1, ensure_ascii=False, allow_nan=False)
            file.write("\n")

        _write(Path(path), write)

    @classmethod
    def from_json(cls, path: str | Path) -> Report:
        """Reads what :meth:`to_json` wrote, without values by user.

        Raises:
            DataError: The file is not a report.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(tuple(Result.from_dict(r) for r in document["results"]))
        except (KeyError, TypeError, ValueError) as why:
            raise DataError(f"{path} is no report of ours: {why}.") from why

    def to_csv(self, path: str | Path) -> None:
        """Writes ``rows``, beside and renamed; a cell is empty where there is none."""
        rows = self.rows
        names = list(dict.fromkeys(name for row in rows for name in row))

        def write(file: TextIO) -> None:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)

        _write(Path(path), write)

    def _table(self, best: str, other: str, legend: str) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table

        table = Table(
            box=SIMPLE_HEAD,
            pad_edge=False,
            caption=escape(f"{self.caption} {legend}"),
            caption_justify="left",
        )
        table.add_column("model", no_wrap=True)
        for metric in self.columns:
            table.add_column(other.format(metric), justify="right")
        for cells in self._cells(best, other, escape):
            table.add_row(*cells)
        return table

    def _cells(
        self, best: str, other: str, escape: Callable[[str], str]
    ) -> list[list[str]]:
        rows = [[escape(result.model)] for result in self.results]
        for metric in self.columns:
            values = [result.metrics[metric] for result in self.results]
            top = self.best(metric)
            digits = 4 if max(map(abs, values)) < 10 else 2
            for row, result, value in zip(rows, self.results, values, strict=True):
                error = result.standard_error.get(metric, math.nan)
                text = f"{value:.{digits}f}"
                if not math.isnan(error):
                    text += f" ±{error:.{digits}f}"
                row.append((best if value == top else other).format(text))
        return rows


def _flat(result: Result) -> dict[str, Any]:
    values = result.to_dict()
    metrics, errors = values.pop("metrics"), values.pop("standard_error")
    left_out = values.pop("left_out")
    for name, value in metrics.items():
        values[name] = value
        if errors.get(name) is not None:
            values[f"{name}_standard_error"] = errors[name]
    values["left_out"] = sum(left_out.values())
    return values


def _write(path: Path, write: Callable[[TextIO], None]) -> None:
    beside = path.with_name(path.name + ".writing")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            write(file)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
