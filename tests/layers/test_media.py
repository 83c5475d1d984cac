"""Files that can be read, and those that cannot: images and recordings as numbers."""

import base64
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from tfrec.columns import Audio, Image
from tfrec.data.media import decoded
from tfrec.features import Categorical, FeatureSpec
from tfrec.layers.media import decode, present

RNG = np.random.default_rng(0)
IMAGE = Image("poster", height=6, width=4)
RATE = 8_000
AUDIO = Audio("preview", sample_rate=RATE, seconds=0.1)


def pixels(height: int = 6, width: int = 4, channels: int = 3) -> np.ndarray:
    return RNG.integers(1, 256, (height, width, channels)).astype(np.uint8)


def png(values: np.ndarray) -> bytes:
    return tf.io.encode_png(values).numpy()


def wav(wave: np.ndarray, rate: int = RATE) -> bytes:
    """16-bit PCM of ``(samples, channels)`` numbers in -1 .. 1."""
    return tf.audio.encode_wav(wave.astype(np.float32), rate).numpy()


def tone(hertz: float, rate: int = RATE, seconds: float = 0.1) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * hertz * time)[:, None]


def cmyk_jpeg() -> bytes:
    """8 x 8 pixels of cyan ink in four channels."""
    return base64.b64decode(CMYK)


def animated_gif(first: tuple[int, int, int], then: tuple[int, int, int]) -> bytes:
    """Two frames of 1 x 1 pixel, each of one colour."""

    def frame(index: int) -> bytes:
        codes = {0: b"\x44\x01", 1: b"\x4c\x01"}[index]
        return (
            b"!\xf9\x04\x00\x0a\x00\x00\x00"
            b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02" + codes + b"\x00"
        )

    head = b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + bytes(first) + bytes(then)
    return head + frame(0) + frame(1) + b";"


def test_an_image_of_the_right_size_is_as_it_is():
    values = pixels()
    found = decode(IMAGE, tf.constant([png(values)]))
    assert found.dtype == tf.uint8
    np.testing.assert_array_equal(found[0], values)


def test_others_are_resized():
    large = np.repeat(np.repeat(pixels(), 2, axis=0), 2, axis=1)
    flat = np.full((30, 50, 3), 77, np.uint8)
    found = decode(IMAGE, tf.constant([png(large), png(flat)])).numpy()
    assert found.shape == (2, 6, 4, 3)
    means = large.reshape(6, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(found[0] - means).mean() < 30
    np.testing.assert_array_equal(found[1], 77)


def test_one_channel_is_grey_and_grey_is_three():
    values, grey = pixels(), pixels(channels=1)
    one = Image("poster", height=6, width=4, channels=1)
    found = decode(one, tf.constant([png(values), png(grey)])).numpy()
    expected = values @ np.array([0.2989, 0.5870, 0.1140])
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=1.01)
    np.testing.assert_allclose(found[1], grey, atol=1.01)
    three = decode(IMAGE, tf.constant([png(grey)])).numpy()
    np.testing.assert_array_equal(three[0], np.repeat(grey, 3, axis=2))


def test_of_an_animation_the_first_frame():
    first = Image("poster", height=1, width=1)
    found = decode(first, tf.constant([animated_gif((9, 200, 3), (250, 1, 1))]))
    np.testing.assert_array_equal(found[0, 0, 0], [9, 200, 3])


def test_four_inks_are_three_colours():
    found = decode(IMAGE, tf.constant([cmyk_jpeg()])).numpy()[0]
    assert found[..., 0].max() < 60
    assert found[..., 1:].min() > 150


def test_formats():
    values = np.full((6, 4, 3), 90, np.uint8)
    jpeg = tf.io.encode_jpeg(values, quality=100).numpy()
    deep = tf.io.encode_png(np.full((6, 4, 3), 90 * 257, np.uint16)).numpy()
    found = decode(IMAGE, tf.constant([jpeg, deep])).numpy()
    np.testing.assert_allclose(found, 90, atol=2)


def bad_images() -> dict[str, bytes]:
    whole = tf.io.encode_jpeg(pixels(64, 64)).numpy()
    picture = png(pixels())
    flipped = bytearray(picture)
    flipped[len(picture) // 2] ^= 255
    huge = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 1 << 30, 1 << 30, 8, 2, 0, 0, 0)
    )
    return {
        "nothing": b"",
        "text": b"no image at all",
        "half a JPEG": whole[: len(whole) // 2],
        "half a PNG": picture[: len(picture) // 2],
        "the start of a JPEG": whole[:3],
        "the start of a GIF": b"GIF89a",
        "a flipped byte": bytes(flipped),
        "a header of 2^60 pixels": huge,
        "a recording": wav(tone(440)),
    }


def chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


@pytest.mark.parametrize("name", bad_images())
def test_what_cannot_be_read_is_no_image(name):
    good = pixels()
    files = [png(good), bad_images()[name], png(good)]
    found = decode(IMAGE, tf.constant(files))
    np.testing.assert_array_equal(present(found), [True, False, True])
    np.testing.assert_array_equal(found[0], good)
    np.testing.assert_array_equal(found[2], good)
    assert not found[1].numpy().any()


def test_no_files_at_all():
    assert decode(IMAGE, tf.constant([], tf.string)).shape == (0, 6, 4, 3)
    assert decode(AUDIO, tf.constant([], tf.string)).shape == (0, 800)


def test_the_same_in_an_exported_graph(tmp_path):
    files = tf.constant([*bad_images().values(), png(pixels()), cmyk_jpeg()])
    module = tf.Module()
    module.decode = tf.function(
        lambda contents: decode(IMAGE, contents),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "graph"))
    loaded = tf.saved_model.load(str(tmp_path / "graph"))
    np.testing.assert_array_equal(loaded.decode(files), decode(IMAGE, files))


def test_samples_of_a_recording():
    wave = RNG.uniform(-1, 1, (800, 1))
    (found,) = decode(AUDIO, tf.constant([wav(wave)])).numpy()
    assert found.dtype == np.int16
    np.testing.assert_allclose(found / 32_768, wave[:, 0], atol=1e-4)


def test_channels_are_averaged():
    left, right = tone(440), tone(1_000)
    (found,) = decode(AUDIO, tf.constant([wav(np.hstack([left, right]))])).numpy()
    expected = (left + right)[:, 0] / 2
    np.testing.assert_allclose(found / 32_768, expected, atol=1e-4)


def test_short_is_padded_and_long_is_cut():
    short, long = tone(440, seconds=0.02), tone(440, seconds=0.3)
    found = decode(AUDIO, tf.constant([wav(short), wav(long)])).numpy() / 32_768
    np.testing.assert_allclose(found[0, :160], short[:, 0], atol=1e-4)
    assert not found[0, 160:].any()
    np.testing.assert_allclose(found[1], long[:800, 0], atol=1e-4)


@pytest.mark.parametrize("rate", [4_000, 12_000, 44_100])
def test_another_rate_is_resampled(rate):
    """A tone keeps its pitch and its length; samples stand for the middle of theirs."""
    (found,) = decode(AUDIO, tf.constant([wav(tone(500, rate), rate)])).numpy() / 32_768
    seconds = (np.arange(20, 780) + 0.5) / RATE - 0.5 / rate
    expected = 0.5 * np.sin(2 * np.pi * 500 * seconds)
    np.testing.assert_allclose(found[20:780], expected, atol=0.05)


def test_what_the_lower_rate_cannot_hold_is_taken_out():
    """7 kHz would come back as 1 kHz at 8 kHz."""
    (found,) = decode(AUDIO, tf.constant([wav(tone(7_000, 44_100), 44_100)])).numpy()
    assert np.abs(found[20:780] / 32_768).max() < 0.25 * 0.5


def bad_recordings() -> dict[str, bytes]:
    whole = wav(tone(440))
    eight_bits = bytearray(whole)
    eight_bits[34:36] = struct.pack("<H", 8)
    no_rate = bytearray(whole)
    no_rate[24:28] = struct.pack("<I", 0)
    return {
        "nothing": b"",
        "text": b"RIFF is a word",
        "half a file": whole[: len(whole) // 2],
        "a header alone": whole[:44],
        "no samples": wav(np.zeros((0, 1))),
        "silence": wav(np.zeros((800, 1))),
        "8 bits": bytes(eight_bits),
        "a rate of 0": bytes(no_rate),
        "an image": png(pixels()),
    }


@pytest.mark.parametrize("name", bad_recordings())
def test_what_cannot_be_heard_is_no_recording(name):
    files = [wav(tone(440)), bad_recordings()[name], wav(tone(440))]
    found = decode(AUDIO, tf.constant(files))
    np.testing.assert_array_equal(present(found), [True, False, True])


def test_a_table_counts_what_is_missing(monkeypatch):
    files = np.array(
        [b"", b"", png(pixels()), b"", b"nonsense", png(pixels()), b"PNG"], object
    )
    names = np.array(["", "", *"abcde"], object)
    found = decoded(IMAGE, files, first=2)
    assert found.values.shape == (7, 6, 4, 3)
    np.testing.assert_array_equal(present(found.values), [0, 0, 1, 0, 0, 1, 0])
    assert found.report(IMAGE, 5, names) == (
        "column 'poster': of 5 items 1 have none and 2 cannot be read (c, e); they "
        "take the learned vector of no image."
    )
    assert decoded(IMAGE, files[[0, 2]], 1).report(IMAGE, 1, names) == ""
    monkeypatch.setattr("tfrec.data.media.RESIDENT", 100)
    large = decoded(IMAGE, files, first=2)
    assert large.values.dtype == tf.string
    np.testing.assert_array_equal(large.unreadable, found.unreadable)


def test_a_spec_encodes_files():
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=("u",)),
            Categorical("item_id", "item", vocabulary=("i",)),
            IMAGE,
            AUDIO,
        )
    )
    rows = spec.synthetic(3)
    images = spec.encode("poster", rows["poster"])
    assert (images.shape, images.dtype) == ((3, 6, 4, 3), np.uint8)
    sounds = spec.encode("preview", rows["preview"])
    assert (sounds.shape, sounds.dtype) == ((3, 800), np.int16)
    assert present(tf.constant(images)).numpy().all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image("p", height=0),
        lambda: Image("p", channels=4),
        lambda: Audio("p", sample_rate=0),
        lambda: Audio("p", sample_rate=10, seconds=0.01),
    ],
)
def test_columns_of_no_size_are_refused(make):
    with pytest.raises(ValueError, match=r"column 'p'.*: use"):
        make()


CMYK = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhc"
    "TkBEV0U3OFBtUVdfYmdoZz5NcXlwZHhcZWdj/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABQAAQAAAAAA"
    "AAAAAAAAAAAAAAf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0AWQBLAAA/AD8gEAgP/9k="
)
