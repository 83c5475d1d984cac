"""Data, split and protocol of the published numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfrec import datasets
from tfrec.benchmarks import content_tasks as content
from tfrec.benchmarks.task import Task, drawn_users, leave_last_out
from tfrec.data.interactions import Interactions
from tfrec.errors import ConfigError, DataError, did_you_mean
from tfrec.evaluation.protocols import (
    BinaryClassification,
    EventRanking,
    FullRanking,
    InTurn,
    RatingPrediction,
    SampledNegatives,
)
from tfrec.features import Categorical, FeatureSpec, Numeric, Text


def ncf(data_dir: str | Path | None) -> Task:
    """MovieLens 1M, split and 99 stored negatives of He et al. 2017."""
    split = datasets.load("movielens/ncf", data_dir)
    return Task(
        title="ML-1M, NCF split",
        spec=split.train.spec,
        train=split.train,
        test=split.test,
        protocol=SampledNegatives(k=10, candidates=split.candidates),
        metrics=("hit_rate@10", "ndcg@10"),
    )


def frappe(data_dir: str | Path | None) -> Task:
    """Frappe in its published split: clicks by AUC and log loss."""
    split = datasets.load("frappe", data_dir)
    return Task(
        title=f"Frappe, {len(split.train):,} / {len(split.valid):,} / "
        f"{len(split.test):,}",
        spec=split.train.spec,
        train=split.train,
        test=split.test,
        protocol=BinaryClassification(),
        metrics=("auc", "logloss"),
        valid=split.valid,
    )


def watch_time(data_dir: str | Path | None) -> Task:
    """MovieLens, each user's last event among 99 drawn; stars stand for watch time.

    Nobody timed who watched what. Stars are the one amount that the events carry which
    says how much of a good time a watched film was.
    """
    data = datasets.load("movielens", data_dir)
    return leave_last_out(
        data,
        f"{data.name}, leave last out, stars as watch time",
        SampledNegatives(k=10, watch_time=True),
        ("weighted_loss", "ndcg@10"),
    )


def movielens_1m_histories(data_dir: str | Path | None) -> Task:
    """MovieLens 1M, each user's last event; the ten events before and the genres."""
    data = datasets.load("movielens/1m", data_dir, history=10)
    train, valid, test = data.split("leave_last_out")
    return Task(
        title="ML-1M, leave last out",
        spec=data.spec.select("history", "genres"),
        train=train,
        test=test,
        protocol=FullRanking(k=(20, 200)),
        metrics=("recall@20", "ndcg@20", "recall@200"),
        valid=valid,
    )


def movielens_1m_long(data_dir: str | Path | None) -> Task:
    """MovieLens 1M, 1,000 users drawn with seed 0, each one's last event for test.

    The fifty events before, and the genres.
    """
    data = datasets.load("movielens/1m", data_dir, history=50)
    data = data.take(drawn_users(data, 1_000))
    data = data.with_spec(data.spec.select("user_id", "history", "genres"))
    return leave_last_out(
        data,
        "ML-1M, 1,000 drawn users, leave last out, histories of 50",
        SampledNegatives(k=10, negatives=99),
        ("hit_rate@10", "ndcg@10"),
    )


def amazon_sports(data_dir: str | Path | None, users: int = 10_000) -> Task:
    """Amazon Sports, users drawn with seed 0, each one's last event for test."""
    data = datasets.load("amazon/sports", data_dir, history=10)
    data = data.take(drawn_users(data, users))
    return leave_last_out(
        data,
        f"Amazon Sports, {users:,} drawn users, leave last out",
        SampledNegatives(k=10, negatives=99),
        ("hit_rate@10", "ndcg@10"),
    )


def amazon_sports_last(data_dir: str | Path | None) -> Task:
    """Amazon Sports, 12,000 users drawn with seed 0, one training example of each.

    As in the papers of DIN and DIEN: the event before the held-out ones is the
    example, and those before it are its history and nothing else.
    """
    task = amazon_sports(data_dir, users=12_000)
    line = task.train.timeline
    last = np.zeros(len(task.train), bool)
    last[line.order[line.start[1:][np.diff(line.start) > 0] - 1]] = True
    past = task.train.take(~last)
    return dataclasses.replace(
        task,
        title=f"{task.title}, one example of each",
        train=task.train.take(last, past=past),
    )


def movielens_100k_top100(data_dir: str | Path | None) -> Task:
    """MovieLens 100K, random 80/20, top 100 of all movies for each test event.

    Columns of the TensorFlow Recommenders tutorial: user id, the time in a thousand
    buckets and normalised; the movie's title as an id and as words.
    """
    data = _movies_by_title(datasets.load("movielens/100k", data_dir))
    time = data.seconds
    if time is None:
        raise DataError(f"{data.name} has no timestamp, and the task reads it.")
    buckets = np.linspace(time.min(), time.max(), 1000)
    bucket = Categorical("time_bucket", "context", "int64", tuple(range(1001)))
    when = Numeric("time", "context", normalisation="zscore").fit(time)
    spec = data.spec.select("user_id", "movie_title", "title")
    spec = spec.replace(bucket).replace(when)
    place = np.searchsorted(buckets, time).astype(np.int32)
    columns = {
        **data.columns,
        "time_bucket": place + bucket.first,
        "time": time.astype(np.float32),
    }
    data = dataclasses.replace(data, spec=spec, columns=columns)
    order = np.random.default_rng(42).permutation(len(data))
    cut = int(0.8 * len(data))
    train = data.take(order[:cut], name=f"{data.name}, random 80 %")
    test = data.take(
        order[cut:], name=f"{data.name}, random 20 %", past=train, train=train
    )
    return Task(
        title="ML-100K, random 80/20",
        spec=spec,
        train=train,
        test=test,
        protocol=EventRanking(k=100),
        metrics=("hit_rate@100",),
    )


def _movies_by_title(data: Interactions) -> Interactions:
    """The same events with titles as item ids: a few movies of 100K share theirs."""
    names, old = data.item_names, data.spec.item_column
    if names is None:
        raise DataError(f"{data.name} has no titles, and the task reads them.")
    titles, place, inverse = np.unique(
        names[old.first :], return_index=True, return_inverse=True
    )
    item = Categorical("movie_title", "item", vocabulary=tuple(titles.tolist()))
    text = data.spec["title"]
    assert isinstance(text, Text)
    index = np.concatenate([np.arange(old.first), inverse + item.first])
    rows = np.concatenate([np.arange(item.first), place + old.first])
    spec = FeatureSpec(
        (data.spec.user_column, item, text),
        user=data.spec.user,
        item=item.name,
        timestamp=data.spec.timestamp,
    )
    columns = {
        data.spec.user: data.user,
        item.name: index[data.item].astype(np.int32),
        str(data.spec.timestamp): data.columns[str(data.spec.timestamp)],
    }
    return Interactions(
        spec, columns, items={"title": data.items["title"][rows]}, name=data.name
    )


def gowalla(data_dir: str | Path | None) -> Task:
    """Gowalla in LightGCN's split: all places ranked for each user."""
    split = datasets.load("gowalla", data_dir)
    return Task(
        title="Gowalla, LightGCN's split",
        spec=split.train.spec,
        train=split.train,
        test=split.test,
        protocol=FullRanking(k=20),
        metrics=("recall@20", "ndcg@20"),
    )


def cross_domain(data_dir: str | Path | None) -> Task:
    """Kitchen for users who are known from food alone, each event among 99 drawn.

    Of a fifth of the users all events in kitchen are the test, of a tenth validation;
    what they did with food is known, also what came later.
    """
    data = datasets.load("amazon/food-kitchen", data_dir)
    kitchen = data.spec["domain"].first + 1
    of_kitchen = np.flatnonzero(data.items["domain"] == kitchen)
    rng = np.random.default_rng(0)
    fate = rng.random(data.spec.user_column.size)[data.user]
    away = data.items["domain"][data.item] == kitchen
    train = data.take(~(away & (fate < 0.3)))
    test = data.take(away & (fate < 0.2), past=train, train=train)
    valid = data.take(away & (fate >= 0.2) & (fate < 0.3), past=train, train=train)
    drawn = rng.choice(of_kitchen, (len(test), 99)).astype(np.int32)
    return Task(
        title="Amazon Food and Kitchen, kitchen of users known from food",
        spec=data.spec,
        train=train,
        test=test,
        protocol=SampledNegatives(k=10, candidates=drawn),
        metrics=("hit_rate@10", "ndcg@10"),
        valid=valid,
    )


def food_kitchen_in_turn(data_dir: str | Path | None) -> Task:
    """Amazon Food and Kitchen, users and items of ten events or more, cut in time.

    The last tenth for test, 5 % before for validation, each event in its turn. Times
    are days.
    """
    data = _core(datasets.load("amazon/food-kitchen", data_dir), 10)
    train, valid, test = data.split("temporal", valid=0.05, test=0.1)
    return Task(
        title=f"Amazon Food and Kitchen, {len(data):,} events of users and items of "
        "ten or more, one cut in time, 85/5/10",
        spec=data.spec,
        train=train,
        test=test,
        protocol=InTurn(k=20),
        metrics=("mrr@20", "hit_rate@20", "mae_hours"),
        valid=valid,
    )


def _core(data: Interactions, least: int) -> Interactions:
    """Ids and times of the users and items that have ``least`` events of each other."""
    kept, size = np.arange(len(data)), -1
    while size != len(kept):
        size = len(kept)
        for ids in (data.user, data.item):
            kept = kept[np.bincount(ids[kept])[ids[kept]] >= least]
    spec, columns = data.spec, {}
    for old, ids in ((spec.user_column, data.user), (spec.item_column, data.item)):
        left, place = np.unique(ids[kept], return_inverse=True)
        new = dataclasses.replace(old, vocabulary=tuple(old.raw[left].tolist()))
        spec = spec.select(spec.user, spec.item).replace(new)
        columns[old.name] = (place + new.first).astype(np.int32)
    time = str(spec.timestamp)
    columns[time] = data.columns[time][kept]
    return Interactions(spec, columns, name=data.name)


def movielens_histories(data_dir: str | Path | None) -> Task:
    """MovieLens, each user's last event; the forty events before."""
    data = datasets.load("movielens", data_dir, history=40)
    data = data.with_spec(data.spec.select("history"))
    return leave_last_out(
        data,
        f"{data.name}, leave last out, histories of 40",
        FullRanking(k=20),
        ("recall@20", "ndcg@20"),
    )


def movielens_genres(data_dir: str | Path | None) -> Task:
    """MovieLens, each user's last event; the ten events before, and the genres."""
    data = datasets.load("movielens", data_dir, history=10)
    data = data.with_spec(data.spec.select("user_id", "history", "genres"))
    return leave_last_out(
        data,
        f"{data.name}, leave last out, histories of 10",
        FullRanking(k=20),
        ("recall@20", "ndcg@20"),
    )


def movielens_last(data_dir: str | Path | None) -> Task:
    """MovieLens, each user's last event, told by ids alone."""
    data = datasets.load("movielens", data_dir)
    data = data.with_spec(data.spec.select("user_id", "movie_id"))
    return leave_last_out(
        data,
        f"{data.name}, leave last out, ids alone",
        FullRanking(k=10),
        ("ndcg@10", "recall@10"),
    )


def _ratings(data: Interactions, title: str, test: float) -> Task:
    """Ratings of a random part, seed 0, cut to the range of those of the other."""
    order = np.random.default_rng(0).permutation(len(data))
    cut = round((1 - test) * len(data))
    train = data.take(order[:cut])
    label = train.label
    return Task(
        title=title,
        spec=data.spec,
        train=train,
        test=data.take(order[cut:], past=train, train=train),
        protocol=RatingPrediction((float(label.min()), float(label.max()))),
        metrics=("rmse",),
    )


def movielens_1m_ratings(data_dir: str | Path | None) -> Task:
    """MovieLens 1M, a tenth of the ratings held out at random."""
    data = datasets.load("movielens/1m", data_dir)
    return _ratings(data, "ML-1M, random 90/10", 0.1)


def movielens_1m_fold(data_dir: str | Path | None) -> Task:
    """MovieLens 1M, one of five random folds of the ratings held out."""
    data = datasets.load("movielens/1m", data_dir)
    return _ratings(data, "ML-1M, one fold of five", 0.2)


def movielens_1m_in_time(data_dir: str | Path | None) -> Task:
    """MovieLens 1M, cut in time: the last tenth for test, 5 % before for validation."""
    data = datasets.load("movielens/1m", data_dir)
    train, valid, test = data.split("temporal", valid=0.05, test=0.1)
    label = train.label
    return Task(
        title="ML-1M, one cut in time, 85/5/10",
        spec=data.spec,
        train=train,
        test=test,
        protocol=RatingPrediction((float(label.min()), float(label.max()))),
        metrics=("rmse",),
        valid=valid,
    )


def movielens_100k_fold(data_dir: str | Path | None) -> Task:
    """MovieLens 100K, one of five random folds of the ratings held out."""
    data = datasets.load("movielens/100k", data_dir)
    return _ratings(data, "ML-100K, one fold of five", 0.2)


def movielens_rare(data_dir: str | Path | None) -> Task:
    """MovieLens, random split: test events of films with fewer than ten in training.

    Each film among 99 drawn of those that are as rare, the ten events before for
    history.
    """
    data = datasets.load("movielens", data_dir, history=10)
    data = data.with_spec(data.spec.select("user_id", "history", "genres"))
    train, valid, test = data.split("random")
    rare = train.item_counts < 10
    rare[: data.spec.item_column.first] = False
    test, valid = (part.take(rare[part.item]) for part in (test, valid))
    drawn = np.random.default_rng(0).choice(np.flatnonzero(rare), (len(test), 99))
    return Task(
        title=f"{data.name}, random split, films with fewer than 10 training events",
        spec=data.spec,
        train=train,
        test=test,
        protocol=SampledNegatives(k=10, candidates=drawn.astype(np.int32)),
        metrics=("hit_rate@10", "ndcg@10"),
        valid=valid,
    )


def rsc15(data_dir: str | Path | None) -> Task:
    """RSC15, a day of clicks after six: every click but the first of a session."""
    split = datasets.load("sessions/rsc15", data_dir)
    return Task(
        title=f"RSC15, {len(split.train):,} clicks, sessions of the next day",
        spec=split.train.spec,
        train=split.train,
        test=split.test,
        protocol=EventRanking(k=20),
        metrics=("hit_rate@20", "mrr@20"),
    )


def diginetica(data_dir: str | Path | None) -> Task:
    """Diginetica, 10,000 test sessions drawn with seed 0: the last click of each."""
    split = datasets.load("sessions/diginetica", data_dir)
    chosen = np.random.default_rng(0).choice(len(split.test), 10_000, replace=False)
    return Task(
        title="Diginetica, last click of 10,000 drawn test sessions",
        spec=split.train.spec,
        train=split.train,
        test=split.test.take(np.sort(chosen)),
        protocol=EventRanking(k=20),
        metrics=("hit_rate@20", "mrr@20"),
    )


def lastfm_graph(data_dir: str | Path | None) -> Task:
    """Last.FM with its knowledge graph, split 6:2:2: artists played and drawn."""
    split = datasets.load("lastfm-kg", data_dir)
    return Task(
        title="Last.FM, 6:2:2 of plays and as many drawn artists",
        spec=split.train.spec,
        train=split.train,
        test=split.test,
        protocol=BinaryClassification(),
        metrics=("auc",),
        valid=split.valid,
    )


TASKS: dict[str, Callable[[str | Path | None], Task]] = {
    "ncf": ncf,
    "frappe": frappe,
    "watch_time": watch_time,
    "movielens_1m_histories": movielens_1m_histories,
    "movielens_1m_long": movielens_1m_long,
    "amazon_sports": amazon_sports,
    "amazon_sports_last": amazon_sports_last,
    "amazon_sports_new_words": content.amazon_sports_new_words,
    "amazon_sports_known_words": content.amazon_sports_known_words,
    "movielens_100k_top100": movielens_100k_top100,
    "movielens_histories": movielens_histories,
    "movielens_genres": movielens_genres,
    "movielens_last": movielens_last,
    "movielens_1m_new_films": content.movielens_1m_new_films,
    "movielens_1m_new_films_genres": content.movielens_1m_new_films_genres,
    "movielens_rare": movielens_rare,
    "movielens_1m_new_texts": content.movielens_1m_new_texts,
    "movielens_1m_known_texts": content.movielens_1m_known_texts,
    "movielens_1m_new_plots": content.movielens_1m_new_plots,
    "movielens_1m_known_plots": content.movielens_1m_known_plots,
    "citeulike_1": content.citeulike_1,
    "citeulike_10": content.citeulike_10,
    "gowalla": gowalla,
    "lastfm_graph": lastfm_graph,
    "cross_domain": cross_domain,
    "food_kitchen_in_turn": food_kitchen_in_turn,
    "rsc15": rsc15,
    "diginetica": diginetica,
    "movielens_1m_ratings": movielens_1m_ratings,
    "movielens_1m_in_time": movielens_1m_in_time,
    "movielens_1m_fold": movielens_1m_fold,
    "movielens_100k_fold": movielens_100k_fold,
}


def task(name: str, data_dir: str | Path | None = None) -> Task:
    """A task by name.

    Raises:
        ValueError: No such task, or its data are not there.
    """
    if name not in TASKS:
        raise ConfigError(f"unknown task '{name}'; {did_you_mean(name, TASKS)}")
    return TASKS[name](data_dir)
