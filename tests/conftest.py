"""A small data set with every kind of column, and what tests need around it."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# One thread for each process: sums in one order, and two processes on two cores.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# As tfrec sets it; TensorFlow, which is imported first here, would load Keras 3 too.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.data.timeline import SECOND
from tfrec.features import Categorical, FeatureSpec, Numeric, Sequence, Text
from tfrec.serving import FreshProcess

# The same examples in every run, however slow the machine; none are kept on disk.
hypothesis.settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None
)
hypothesis.settings.load_profile("steady")

# Two devices for replicas, which can only be asked for before TensorFlow begins.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

USERS, ITEMS, EVENTS = 40, 30, 600
GENRES = ("action", "comedy", "drama", "horror")
WORDS = ("alien", "casino", "heat", "story", "toy")
START = 1_000_000_000
DAY = 86_400


def small_spec() -> FeatureSpec:
    """User, item and context columns of every kind but images and recordings."""
    return FeatureSpec(
        columns=(
            Categorical("user_id", "user", vocabulary=_ids("u", USERS)),
            Categorical("movie_id", "item", vocabulary=_ids("m", ITEMS)),
            Categorical("age", "user", dtype="int64", vocabulary=(18, 25, 35), dim=4),
            Sequence("history", of="movie_id", max_len=6),
            Categorical("genres", "item", vocabulary=GENRES, max_len=3),
            Text("title", vocabulary=WORDS, oov=2, max_len=4),
            Numeric("year", "item", normalisation="zscore", mean=1990.0, std=8.0),
            Categorical("device", "context", vocabulary=("phone", "screen")),
        ),
        item="movie_id",
        label="rating",
        timestamp="timestamp",
    )


def _ids(letter: str, n: int) -> tuple[str, ...]:
    return tuple(f"{letter}{number}" for number in range(n))


def small_data(seed: int = 7) -> Interactions:
    """600 events of 40 users on 30 items: 15 distinct items each, some tied in time.

    Users of the first half prefer the first items, the others the last, so that there
    is something to learn. Popularity falls with the item number in both halves.
    """
    rng = np.random.default_rng(seed)
    spec = small_spec()
    taste = np.exp(-np.arange(ITEMS) / 12.0)
    user, item = [], []
    for number in range(USERS):
        weights = taste if number < USERS // 2 else taste[::-1] + 0.2 * taste
        user += [number] * 15
        item += list(rng.choice(ITEMS, 15, False, p=weights / weights.sum()))
    order = rng.permutation(EVENTS)
    user, item = np.array(user)[order], np.array(item)[order]
    liked = (item < ITEMS // 2) == (user < USERS // 2)
    # Every third event shares its second with the one before it.
    ticks = np.arange(EVENTS) - (np.arange(EVENTS) % 3 == 1)
    titles = [" ".join(rng.choice([*WORDS, "rocket"], 2)) for _ in range(ITEMS)]
    genres = [list(rng.choice(GENRES, 3, False)) for _ in range(ITEMS)]
    for row in genres[::2]:
        row[2] = ""
    ages = rng.choice([18, 25, 35, 99], USERS)
    return Interactions(
        spec=spec,
        columns={
            "user_id": (user + spec.user_column.first).astype(np.int32),
            "movie_id": (item + spec.item_column.first).astype(np.int32),
            "device": rng.integers(2, 4, EVENTS).astype(np.int32),
            "rating": (np.where(liked, 4, 2) + rng.integers(0, 2, EVENTS)).astype(
                np.float32
            ),
            "timestamp": (START + ticks * DAY // 4).astype(np.int64) * SECOND,
        },
        users={"age": _table(spec, "user_id", spec.encode("age", ages))},
        items={
            "genres": _table(spec, "movie_id", spec.encode("genres", genres)),
            "title": _table(spec, "movie_id", spec.encode("title", titles)),
            "year": _table(
                spec, "movie_id", rng.integers(1975, 2006, ITEMS).astype(np.float32)
            ),
        },
        item_names=np.array(["", "", *titles]),
        name="small",
    )


def _table(spec: FeatureSpec, name: str, values: np.ndarray) -> np.ndarray:
    empty = np.zeros((spec.table(name).first, *values.shape[1:]), values.dtype)
    return np.concatenate([empty, values])


@pytest.fixture(scope="session")
def data() -> Interactions:
    return small_data()


@pytest.fixture(scope="session")
def fresh_process() -> Iterator[FreshProcess]:
    """Asks exported models in a process without tfrec, one for all tests."""
    with FreshProcess(timeout=600) as process:
        yield process


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.MirroredStrategy:
    """Two replicas in one process.

    Their sums are made on one device. TensorFlow's collectives, the default, need a
    graph for their order and a process for one strategy.
    """
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )


@pytest.fixture(scope="module")
def eagerly() -> Iterator[None]:
    """Functions run without graphs, for tests of what stands around the models.

    To trace a model takes longer than to train it on a few events.
    """
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def graphs() -> Iterator[None]:
    """Functions become graphs all the same, for a test that trains for long."""
    eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(eager)


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Runs code in a fresh interpreter in the root of the project; its output."""

    def run(code: str, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=Path(__file__).parent.parent,
            env={
                **{k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"},
                "TF_CPP_MIN_LOG_LEVEL": "2",
            },
        )
        assert (done.returncode != 0) == fails, done.stderr[-4000:]
        return done.stderr if fails else done.stdout

    return run


def together(nodeid: str) -> str:
    """What runs in one process: the tests of a file, of the contract those of a model.

    They share what they prepare. A notebook stands alone.
    """
    file, _, test = nodeid.partition("::")
    if file.endswith(("contract.py", "test_notebooks.py")) and test.endswith("]"):
        return test.rpartition("[")[2].rpartition("-")[2]
    return file


class Together(LoadScopeScheduling):
    """Gives processes such groups of tests, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow groups first, so that at the end no process waits long for another."""
    slow = {together(i.nodeid) for i in items if i.get_closest_marker("slow")}
    items.sort(key=lambda item: together(item.nodeid) not in slow)
