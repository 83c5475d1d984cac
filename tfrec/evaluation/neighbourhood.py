"""What lies near what: neighbours of items as a table, a catalogue as a map."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrec.errors import ConfigError
from tfrec.evaluation import plots
from tfrec.features import Categorical

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender

OTHER = "#bbbbbb"


def neighbours_table(
    model: Recommender,
    data: Interactions,
    items: list[Any],
    k: int = 5,
    at_least: int = 1,
) -> str:
    """The nearest items of some, as a Markdown table of titles with similarities.

    Args:
        model: Any with a notion of similar items; of item embeddings it is the cosine.
        data: Where titles are; ids stand for them where there are none.
        items: Raw item ids.
        k: Neighbours of each.
        at_least: Events that a neighbour has; the vector of a rare item says little.

    Raises:
        ValueError: An unknown item, or a model without a notion of similarity.
    """
    column = data.spec.item_column
    found = model.similar_items(items, column.size - column.first - 1)
    lines = ["| item | nearest |", "|---|---|"]
    for item, near, scores in zip(items, found.item_id, found.score, strict=True):
        often = data.item_counts[data.spec.encode(column.name, near)] >= at_least
        near, scores = near[often][:k], scores[often][:k]
        named = zip(titles(data, near), scores, strict=True)
        cells = (f"{name} {score:.2f}" for name, score in named)
        (own,) = titles(data, [item])
        lines.append(f"| {own} | {'; '.join(cells)} |")
    return "\n".join(lines)


def titles(data: Interactions, items: Any) -> list[str]:
    """What raw item ids are called; the id where there is no title."""
    name = data.spec.item
    if data.item_names is None:
        return [str(item) for item in items]
    found = data.item_names[data.spec.encode(name, np.asarray(items))]
    return [str(t) or str(i) for t, i in zip(found, items, strict=True)]


def map_of_items(
    model: Recommender,
    data: Interactions,
    path: str | Path,
    category: str,
    count: int = 1_000,
    named: int = 12,
) -> Path:
    """Draws the most frequent items in the plane, coloured by a category.

    The plane is that of the two principal components of the items' unit vectors, those
    that ``similar_items`` compares. An item of several categories takes the first. The
    six that occur most have colours of their own.

    Args:
        model: A model with item vectors.
        data: Events, titles and the items' categories.
        path: PNG file to write; written beside and renamed.
        category: Categorical item-side column.
        count: Items to draw.
        named: How many of the most frequent are named.

    Returns:
        The path.

    Raises:
        ConfigError: The column is no category of items, or there are fewer than three
            items.
    """
    from tfrec.serving.vectors import item_vectors

    column, first = data.spec[category], data.spec.item_column.first
    if not isinstance(column, Categorical) or category not in data.items:
        raise ConfigError(
            f"column '{category}' is no category of items: name a categorical column "
            "with side='item'."
        )
    ids, vectors = item_vectors(model)
    drawn = np.argsort(-data.item_counts[first:], kind="stable")[:count]
    if len(drawn) < 3:
        raise ConfigError(f"{len(drawn)} items make no map: give it three or more.")
    flat, share = plane(vectors[drawn])
    values = data.items[category][drawn + first]
    labels = column.raw[values if values.ndim == 1 else values[:, 0]]
    common = [str(name) for name, _ in Counter(labels).most_common(6) if name]
    figure = plots._figure(2)
    place = figure.subplots()
    rest = ~np.isin(labels, common)
    x, y = flat.T
    place.scatter(x[rest], y[rest], s=8, color=OTHER, label="other", linewidths=0)
    for number, name in enumerate(common):
        colour = plots.COLOURS[number]
        of_it = labels == name
        place.scatter(
            x[of_it], y[of_it], s=12, color=colour, label=name, linewidths=0, alpha=0.8
        )
    spots: list[np.ndarray] = []
    limits = np.ptp(flat, axis=0)
    for number, title in enumerate(titles(data, np.asarray(ids)[drawn].tolist())):
        # A name that would lie on another is left out.
        spot = flat[number] / limits
        crowded = any(np.all(np.abs(spot - s) < (0.25, 0.035)) for s in spots)
        if len(spots) < named and not crowded:
            spots.append(spot)
            short = title if len(title) <= 28 else title[:27] + "\u2026"
            place.annotate(
                short,
                flat[number],
                (3, 3),
                textcoords="offset points",
                fontsize="x-small",
            )
    place.set_xlabel(f"first component, {share[0]:.0%} of the variance")
    place.set_ylabel(f"second component, {share[1]:.0%}")
    place.set_title(
        f"{type(model).__name__}: the {len(drawn):,} most frequent items of "
        f"{data.name}, by {category}",
        fontsize="small",
        loc="left",
    )
    place.margins(x=0.12)
    plots._finish(place)
    return plots._save(figure, path)


def plane(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors on their first two principal components.

    Args:
        vectors: ``(n, dim)``.

    Returns:
        ``(n, 2)`` places, and ``(2,)`` shares of the variance.
    """
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    centred = vectors / length
    centred = centred - centred.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    share = sizes**2 / max(float(np.sum(sizes**2)), 1e-12)
    return left[:, :2] * sizes[:2], share[:2]
