"""Encoders of images, texts and recordings against plain NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec import keras
from tfrec.columns import Audio, Categorical, Image, Numeric, Text
from tfrec.features import FeatureSpec
from tfrec.layers.audio import AudioEncoder
from tfrec.layers.content import ContentFeatures, Sizes
from tfrec.layers.embedding import seed_stream
from tfrec.layers.image import ImageEncoder
from tfrec.layers.text import TextEncoder

RNG = np.random.default_rng(3)
IMAGE = Image("poster", height=6, width=4)
TEXT = Text("plot", vocabulary=("a", "b", "c", "d"), oov=1, max_len=6)
AUDIO = Audio("preview", sample_rate=800, seconds=0.5)
PIXELS = RNG.integers(1, 256, (3, 6, 4, 3)).astype(np.uint8)
WORDS = np.array([[2, 3, 4, 5, 2, 0], [3, 0, 0, 0, 0, 0], [1, 5, 0, 0, 0, 0]], np.int32)
SAMPLES = RNG.integers(-9_000, 9_000, (3, 400)).astype(np.int16)
CASES = {
    "image": (lambda **o: ImageEncoder(IMAGE, 5, seed_stream(1), (3, 4), **o), PIXELS),
    "text": (
        lambda **o: TextEncoder(TEXT, 3, 5, seed_stream(1), (2, 3), 4, **o),
        WORDS,
    ),
    "audio": (
        lambda **o: AudioEncoder(AUDIO, 5, seed_stream(1), 4, 6, **o),
        SAMPLES,
    ),
}
every_encoder = pytest.mark.parametrize("kind", CASES)


def built(kind: str, **options):
    """An encoder no weight of which is 0."""
    make, values = CASES[kind]
    encoder = make(**options)
    encoder(values)
    for variable in encoder.trainable_variables:
        value = variable.numpy() + RNG.normal(0, 0.3, variable.shape)
        variable.assign(value)
    return encoder, values


def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """relu(conv) of ``(n, rows, columns, channels)``, stride 2, zeros around."""
    n, rows, columns, _ = x.shape
    out = np.zeros((n, -(-rows // 2), -(-columns // 2), kernel.shape[-1]))
    # 2 (ceil(s / 2) - 1) + 3 - s zeros in all, the odd one at the end.
    pads = [max(2 * (-(-side // 2) - 1) + 3 - side, 0) for side in (rows, columns)]
    around = [(pad // 2, pad - pad // 2) for pad in pads]
    x = np.pad(x, [(0, 0), *around, (0, 0)])
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            patch = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            out[:, i, j] = np.einsum("nabc,abcf->nf", patch, kernel) + bias
    return np.maximum(out, 0)


def test_an_image_by_hand():
    encoder, _ = built("image")
    x = PIXELS / 127.5 - 1
    for layer in encoder.network.layers[:-1]:
        x = convolved(x, layer.kernel.numpy(), layer.bias.numpy())
    seen = x.mean(axis=(1, 2))
    expected = encoder.missing.numpy() + seen @ encoder.projection.kernel.numpy()
    np.testing.assert_allclose(encoder(PIXELS), expected, rtol=1e-4, atol=1e-5)


def test_a_text_by_hand():
    """Kim 2014, equations 2 to 4."""
    encoder, _ = built("text")
    table = encoder.words.embeddings.numpy()
    for row, indices in enumerate(WORDS):
        words = table[indices[indices > 0]]
        features = []
        for window, layer in zip((2, 3), encoder.convolutions, strict=True):
            kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
            padded = np.pad(words, [(0, max(window - len(words), 0)), (0, 0)])
            c = [
                np.maximum(
                    np.einsum("wd,wdf->f", padded[i : i + window], kernel) + bias, 0
                )
                for i in range(len(padded) - window + 1)
            ]
            features.append(np.max(c, axis=0))
        expected = encoder.missing.numpy() + np.concatenate(features) @ (
            encoder.projection.kernel.numpy()
        )
        found = encoder(WORDS)[row]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def triangles(bands: int, bins: int, rate: int, low: float) -> np.ndarray:
    """Slopes from the edge below to the centre and down to the edge above, in mel."""

    def mel(hertz):
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    frequencies = np.linspace(0.0, rate / 2, bins)
    edges = np.linspace(mel(low), mel(rate / 2), bands + 2)
    weights = np.zeros((bins, bands))
    for place, hertz in enumerate(frequencies):
        if place == 0:  # the mean of the samples is no tone
            continue
        for band in range(bands):
            below, centre, above = edges[band : band + 3]
            rising = (mel(hertz) - below) / (centre - below)
            falling = (above - mel(hertz)) / (above - centre)
            weights[place, band] = max(0.0, min(rising, falling))
    return weights


def spectrogram(encoder: AudioEncoder, samples: np.ndarray) -> np.ndarray:
    frame, hop = encoder.frame, encoder.hop
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    size = 1 << (frame - 1).bit_length()
    starts = range(0, samples.shape[1] - frame + 1, hop)
    frames = np.stack([samples[:, s : s + frame] * window for s in starts], axis=1)
    power = np.abs(np.fft.rfft(frames / 32_768, size)) ** 2
    weights = triangles(encoder.bands, size // 2 + 1, encoder.column.sample_rate, 20.0)
    return np.log(power @ weights + 1e-6)


def test_the_spectrogram_by_hand():
    encoder, _ = built("audio")
    expected = spectrogram(encoder, SAMPLES.astype(float))
    np.testing.assert_allclose(encoder.mel(SAMPLES), expected, rtol=1e-3, atol=1e-3)


def gru(x: np.ndarray, cell: keras.layers.GRUCell) -> np.ndarray:
    """The last state over ``(length, any)``; gates z and r, reset after the product."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    kernel, recurrent = cell.kernel.numpy(), cell.recurrent_kernel.numpy()
    inner, outer = cell.bias.numpy()
    h = np.zeros(len(recurrent))
    for step in x:
        xz, xr, xh = np.split(step @ kernel + inner, 3)
        hz, hr, hh = np.split(h @ recurrent + outer, 3)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        h = z * h + (1 - z) * np.tanh(xh + r * hh)
    return h


def test_a_recording_by_hand():
    encoder, _ = built("audio")
    samples = SAMPLES.copy()
    samples[1, 150:] = 0  # sounds for 150 samples
    bands = spectrogram(encoder, samples.astype(float))
    mean, spread = bands.mean(-1, keepdims=True), bands.var(-1, keepdims=True)
    bands = (bands - mean) / np.sqrt(spread + 1e-6)
    bands = bands * encoder.normalise.gamma.numpy() + encoder.normalise.beta.numpy()
    frames = [bands.shape[1], -(-150 // encoder.hop), bands.shape[1]]
    assert frames[1] < frames[0]
    cell, kernel = encoder.recurrent.cell, encoder.projection.kernel.numpy()
    expected = [
        encoder.missing.numpy() + gru(bands[row, :count], cell) @ kernel
        for row, count in enumerate(frames)
    ]
    np.testing.assert_allclose(encoder(samples), expected, rtol=1e-2, atol=2e-3)


@every_encoder
def test_a_row_of_nothing_is_the_learned_vector(kind):
    encoder, values = built(kind)
    values = np.concatenate([values, np.zeros_like(values[:1])])
    found = encoder(values).numpy()
    np.testing.assert_allclose(found[-1], encoder.missing.numpy(), rtol=1e-6)
    assert np.abs(found[:-1] - found[-1]).max(axis=1).min() > 1e-3
    np.testing.assert_allclose(encoder(values[:2]), found[:2], rtol=1e-4, atol=1e-5)


@every_encoder
def test_every_weight_has_a_slope(kind):
    encoder, values = built(kind)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(values) ** 2)
    weights = encoder.trainable_variables
    for variable, slope in zip(weights, tape.gradient(loss, weights), strict=True):
        assert np.abs(tf.convert_to_tensor(slope)).max() > 1e-6, variable.name


@every_encoder
def test_seeds_and_half_precision(kind):
    make, values = CASES[kind]
    np.testing.assert_array_equal(make()(values), make()(values))
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        encoder = make()
        found = encoder(values)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert found.dtype == tf.float16
    assert {v.dtype for v in encoder.trainable_variables} == {tf.float32}
    np.testing.assert_allclose(found, make()(values), rtol=0.05, atol=0.05)


def test_padding_of_a_text_changes_nothing():
    encoder, _ = built("text")
    longer = np.pad(WORDS, [(0, 0), (0, 4)])
    np.testing.assert_allclose(encoder(longer), encoder(WORDS), rtol=1e-5, atol=1e-6)


def test_word_vectors_can_start_from_others():
    encoder, _ = built("text")
    before = encoder.words.embeddings.numpy().copy()
    given = np.arange(9.0).reshape(3, 3)
    assert encoder.start_from(["c", "zzz", "a"], given) == 2
    after = encoder.words.embeddings.numpy()
    first = TEXT.first
    np.testing.assert_array_equal(after[first + 2], given[0])
    np.testing.assert_array_equal(after[first], given[2])
    untouched = [*range(first), first + 1, first + 3]
    np.testing.assert_array_equal(after[untouched], before[untouched])
    assert encoder.start_from(["zzz"], given[:1]) == 0
    with pytest.raises(ValueError, match=r"2 words need vectors of shape \(2, 3\)"):
        encoder.start_from(["a", "b"], given)


def test_dropout_of_a_text_in_training_alone():
    encoder, _ = built("text", dropout=0.5)
    np.testing.assert_array_equal(encoder(WORDS), encoder(WORDS))
    trained = encoder(WORDS, training=True).numpy()
    assert np.abs(trained - encoder(WORDS)).max() > 1e-3


def test_a_backbone_instead():
    column = Image("poster", height=32, width=32)
    values = RNG.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)

    def make():
        return ImageEncoder(column, 5, seed_stream(2), backbone="MobileNetV2")

    once = make()(values)
    assert once.shape == (2, 5)
    np.testing.assert_allclose(once, make()(values), rtol=1e-5)
    with pytest.raises(ValueError, match="has no network 'MobileNetV22'"):
        ImageEncoder(column, 5, seed_stream(2), backbone="MobileNetV22")


def test_columns_of_all_kinds():
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=("u",)),
            Categorical("item_id", "item", vocabulary=("i", "j")),
            Categorical("genres", "item", vocabulary=("g", "h"), max_len=2),
            Numeric("year", "item"),
            TEXT,
            IMAGE,
            AUDIO,
        )
    )
    names = ("genres", "year", "plot", "poster", "preview")
    sizes = Sizes((3,), None, (2,), 4, 4, 6)
    layer = ContentFeatures(spec, names, 5, seed_stream(0), sizes)
    rows = spec.synthetic(3)
    inputs = {name: tf.constant(spec.encode(name, rows[name])) for name in names}
    vectors = layer(inputs)
    assert tuple(vectors) == names
    widths = {name: vector.shape[1] for name, vector in vectors.items()}
    assert widths == dict.fromkeys(names, 5) | {"year": 1}
    np.testing.assert_array_equal(vectors["year"][:, 0], rows["year"])
    expected = layer.encoders["plot"](inputs["plot"])
    np.testing.assert_array_equal(vectors["plot"], expected)
