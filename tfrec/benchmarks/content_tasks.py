"""Tasks whose items are told by what they hold: texts, posters, attributes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tfrec import datasets
from tfrec.benchmarks.task import Task, drawn_users, leave_last_out
from tfrec.benchmarks.words import common_words, padding_last, without_words
from tfrec.data.interactions import Interactions
from tfrec.evaluation.protocols import FullRanking, SampledNegatives
from tfrec.features import Text


def movielens_1m_new_films(data_dir: str | Path | None) -> Task:
    """MovieLens 1M, a tenth of the films ranked that training holds no event of.

    1,500 users drawn with seed 0 and what they gave four stars or more; of the films a
    tenth drawn with seed 0 is the test, another tenth validation.
    """
    data = datasets.load("movielens/1m-content", data_dir, history=20)
    users, films = data.spec.user_column, data.spec.item_column
    rng = np.random.default_rng(0)
    fate = np.where(np.arange(films.size) < films.first, 1, rng.random(films.size))
    everybody = np.arange(users.first, users.size)
    chosen = rng.choice(everybody, 1_500, replace=False)
    liked = data.take(np.isin(data.user, chosen) & (data.label >= 4))
    content = ("genres", "title", "year", "plot", "directors", "actors", "poster")
    liked = liked.with_spec(data.spec.select("user_id", "history", *content))
    return _new_items(
        liked, fate, "ML-1M, 1,500 drawn users, four stars or more", "films"
    )


def movielens_1m_new_films_genres(data_dir: str | Path | None) -> Task:
    """The same films, told by their genres alone."""
    whole = movielens_1m_new_films(data_dir)
    spec = whole.spec.select("user_id", "history", "genres")
    train = whole.train.with_spec(spec)
    test = dataclasses.replace(whole.test.with_spec(spec), past=train, train=train)
    return dataclasses.replace(whole, spec=spec, train=train, test=test, valid=None)


def movielens_1m_new_texts(data_dir: str | Path | None) -> Task:
    """The task of new films, told by genres, title, year and plot alone."""
    task = movielens_1m_new_films(data_dir)
    told = ("user_id", "history", "genres", "title", "year", "plot")
    spec = task.spec.select(*told)
    return dataclasses.replace(
        task,
        title=f"{task.title}, told by text and genres",
        spec=spec,
        train=task.train.with_spec(spec),
        test=task.test.with_spec(spec),
        valid=task.valid.with_spec(spec) if task.valid is not None else None,
    )


def movielens_1m_known_texts(data_dir: str | Path | None) -> Task:
    """The films that training holds in that task: each user's last one."""
    new = movielens_1m_new_texts(data_dir)
    return leave_last_out(
        new.train,
        "ML-1M, 1,500 drawn users, four stars or more, leave last out, told by "
        "text and genres",
        FullRanking(k=10),
        ("recall@10", "ndcg@10"),
    )


def movielens_1m_new_plots(data_dir: str | Path | None) -> Task:
    """The task of new films, told by their plots alone."""
    return _by_plots(movielens_1m_new_texts(data_dir))


def movielens_1m_known_plots(data_dir: str | Path | None) -> Task:
    """The task of known films, told by their plots alone."""
    return _by_plots(movielens_1m_known_texts(data_dir))


def _by_plots(task: Task) -> Task:
    """Words that a tenth of the plots share are left out, as stop words were by CDL."""
    spec = task.spec.select("user_id", "plot")
    common = common_words(task.train.with_spec(spec), "plot", 0.1)

    def told(data: Interactions) -> Interactions:
        return without_words(data.with_spec(spec), "plot", common)

    train = told(task.train)
    return dataclasses.replace(
        task,
        title=task.title.replace("text and genres", "plots"),
        spec=train.spec,
        train=train,
        test=told(task.test),
        valid=task.valid and told(task.valid),
    )


def _new_items(data: Interactions, fate: np.ndarray, title: str, kind: str) -> Task:
    """The items of the test ranked alone, of which training holds no event.

    Args:
        data: Events.
        fate: Of items, by index: below .1 test, below .2 validation, train above.
        title: Data and users.
        kind: What the items are.
    """
    own = fate[data.item]
    train = data.take(own >= 0.2)
    test, valid = (
        data.take(part, past=train, train=train)
        for part in (own < 0.1, (own >= 0.1) & (own < 0.2))
    )
    held_out = tuple(np.flatnonzero(fate < 0.1).tolist())
    return Task(
        title=f"{title}, {len(held_out):,} {kind} that training never holds",
        spec=data.spec,
        train=train,
        test=test,
        protocol=FullRanking(k=10, among=held_out),
        metrics=("recall@10", "ndcg@10"),
        valid=valid,
    )


def citeulike_1(data_dir: str | Path | None) -> Task:
    """citeulike-t, one article of each user in train, 2,000 users drawn with seed 0."""
    return _citeulike(1, data_dir)


def citeulike_10(data_dir: str | Path | None) -> Task:
    """citeulike-t, ten articles of each user who has as many, 2,000 drawn users."""
    return _citeulike(10, data_dir)


def _citeulike(p: int, data_dir: str | Path | None) -> Task:
    split = datasets.load("citeulike-t", data_dir, p=p)
    users = np.unique(split.test.user)
    chosen = np.random.default_rng(0).choice(users, 2_000, replace=False)
    measured = np.isin(split.test.user, chosen)
    test = split.test.take(measured, past=split.train, train=split.train)
    return Task(
        title=f"citeulike-t, P={p}, 2,000 drawn users",
        spec=split.train.spec,
        train=split.train,
        test=test,
        protocol=FullRanking(k=(50, 100, 200, 300)),
        metrics=("recall@50", "recall@100", "recall@200", "recall@300"),
    )


def amazon_sports_known_words(data_dir: str | Path | None) -> Task:
    """Amazon Sports by its words, what training holds: each user's last product."""
    new = amazon_sports_new_words(data_dir)
    return leave_last_out(
        new.train,
        "Amazon Sports by words, 10,000 drawn users, leave last out",
        SampledNegatives(k=10, negatives=99),
        ("hit_rate@10", "ndcg@10"),
    )


def amazon_sports_new_words(data_dir: str | Path | None) -> Task:
    """Amazon Sports, a tenth of the products ranked that training holds no event of.

    10,000 users drawn with seed 0; a product's text is its brand and its categories.
    """
    data = datasets.load("amazon/sports", data_dir, history=10)
    data = _by_attributes(data.take(drawn_users(data, 10_000)))
    products = data.spec.item_column
    fate = np.random.default_rng(0).random(products.size)
    fate[: products.first] = 1
    return _new_items(
        data, fate, "Amazon Sports by words, 10,000 drawn users", "products"
    )


def _by_attributes(data: Interactions) -> Interactions:
    """The same events, products with one text of brand and categories."""
    brands, categories = data.spec.table("brand"), data.spec.table("categories")
    words = (*(f"brand{word}" for word in brands.vocabulary), *categories.vocabulary)
    sorts = data.items["categories"]
    text = Text("attributes", vocabulary=words, max_len=1 + sorts.shape[1])
    own, before = data.items["brand"][:, None], len(brands.vocabulary)
    found = np.concatenate(
        [
            np.where(own < brands.first, 0, own - brands.first + text.first),
            np.where(
                sorts < categories.first,
                0,
                sorts - categories.first + text.first + before,
            ),
        ],
        axis=1,
    )
    found = padding_last(found).astype(np.int32)
    data = data.with_spec(data.spec.select("user_id", "history"))
    spec = dataclasses.replace(data.spec, columns=(*data.spec.columns, text))
    return dataclasses.replace(data, spec=spec, items={**data.items, text.name: found})
