"""Items that are told by a picture and a sound, both synthetic."""

import numpy as np
import tensorflow as tf

from tfrec.data.interactions import Interactions
from tfrec.features import Audio, Categorical, FeatureSpec, Image, Sequence, Text

USERS, ITEMS = 24, 20
RATE = 2_000
TONES = (150.0, 400.0)


def png(pixels: np.ndarray) -> bytes:
    return tf.io.encode_png(pixels).numpy()


def wav(wave: np.ndarray, rate: int = RATE) -> bytes:
    return tf.audio.encode_wav(wave[:, None].astype(np.float32), rate).numpy()


def tone(hertz: float, rng: np.random.Generator) -> np.ndarray:
    """0.4 seconds of a tone of any phase and loudness, with a little noise."""
    time = np.arange(round(0.4 * RATE)) / RATE
    wave = np.sin(2 * np.pi * (hertz * time + rng.random()))
    return rng.uniform(0.2, 0.9) * wave + rng.normal(0, 0.02, len(time))


def picture(kind: int, rng: np.random.Generator) -> np.ndarray:
    """Stripes of any place and brightness, of two shades of red or two of blue."""
    stripes = (np.arange(16) + rng.integers(4)) % 4 < 2
    shades = np.zeros((2, 3), np.uint8)
    shades[:, 2 * kind] = rng.integers(120, 256, 2)
    shades[:, 1] = rng.integers(0, 60, 2)
    return np.where(np.tile(stripes, (16, 1))[..., None], shades[0], shades[1])


def media_spec(*names: str) -> FeatureSpec:
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=_ids("u", USERS)),
            Categorical("item_id", "item", vocabulary=_ids("i", ITEMS)),
            Sequence("history", of="item_id", max_len=3),
            Categorical("genres", "item", vocabulary=("x", "y"), max_len=2),
            Text("plot", vocabulary=("a", "b", "c"), max_len=5),
            Image("poster", height=16, width=16),
            Audio("preview", sample_rate=RATE, seconds=0.4),
        ),
        timestamp="time",
    )
    return spec.select(*names) if names else spec


def _ids(letter: str, n: int) -> tuple[str, ...]:
    return tuple(f"{letter}{number}" for number in range(n))


def media_data(*names: str, cold: int = 6, seed: int = 0) -> Interactions:
    """Events of users who like one of two kinds of items, told by picture and sound.

    Items are of the kinds in turn, and so are users. Nobody has taken the last ``cold``
    items. Item 0 has neither picture nor sound, and those of item 1 cannot be read.
    """
    spec, rng = media_spec(*names), np.random.default_rng(seed)
    user, item = [], []
    for number in range(USERS):
        own = np.arange(number % 2, ITEMS - cold, 2)
        user += [number] * 5
        item += list(rng.choice(own, 5, replace=False))
    order = rng.permutation(len(user))
    first = spec.item_column.first
    posters, previews = [b""] * first, [b""] * first
    for number in range(ITEMS):
        posters.append(png(picture(number % 2, rng)))
        previews.append(wav(tone(TONES[number % 2], rng)))
    posters[first], previews[first] = b"", b""
    posters[first + 1], previews[first + 1] = posters[-1][:60], b"RIFF"
    nothing = np.zeros((first, 2), np.int32)
    genres = np.concatenate([nothing, spec_rows(rng, 2, ITEMS, 2)])
    plots = np.concatenate(
        [np.zeros((first, 5), np.int32), spec_rows(rng, 3, ITEMS, 5)]
    )
    tables = {
        "genres": genres,
        "plot": plots,
        "poster": np.array(posters, object),
        "preview": np.array(previews, object),
    }
    return Interactions(
        spec,
        {
            "user_id": (np.array(user)[order] + spec.user_column.first).astype(
                np.int32
            ),
            "item_id": (np.array(item)[order] + first).astype(np.int32),
            "time": np.arange(len(user), dtype=np.int64),
        },
        items={name: table for name, table in tables.items() if name in spec},
        name="media",
    )


def spec_rows(rng: np.random.Generator, size: int, n: int, length: int) -> np.ndarray:
    """Random indices of a column of ``size`` known values, padded at the end."""
    rows = rng.integers(2, 2 + size, (n, length)).astype(np.int32)
    rows[np.arange(length) >= rng.integers(1, length + 1, n)[:, None]] = 0
    return rows
