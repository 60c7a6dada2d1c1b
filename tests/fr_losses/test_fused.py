"""The fused head against the dense computation: losses, gradients, sub-centres, extremes, bad input."""

from __future__ import annotations

from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses import _backend, _chunks

from tests.fr_losses._reference import CASES

BATCH, CLASSES, WIDTH = 6, 23, 8


def backends() -> list[Any]:
    ops, reason = _backend._op()
    return ["tensorflow", pytest.param("op", marks=pytest.mark.skipif(ops is None, reason=reason))]


every_loss = pytest.mark.parametrize("name", CASES)
every_backend = pytest.mark.parametrize("backend", backends())


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks of classes, the last of them smaller."""
    monkeypatch.setattr(_chunks, "CHUNK_ELEMENTS", 5 * BATCH)


def inputs(sub_centers: int = 1, seed: int = 0) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Embeddings of varied norms that lean towards their class, class rows of varied norms, labels."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(CLASSES * sub_centers, WIDTH)) * rng.uniform(
        0.1, 3, (CLASSES * sub_centers, 1)
    )
    labels = rng.integers(CLASSES, size=BATCH)
    embeddings = rng.normal(size=(BATCH, WIDTH)) + weights[labels * sub_centers]
    embeddings *= rng.uniform(2, 20, (BATCH, 1))
    return tf.constant(embeddings, tf.float32), tf.constant(weights, tf.float32), tf.constant(labels)


def dense(
    margin: fr_losses.MarginLoss,
    embeddings: tf.Tensor,
    weights: tf.Tensor,
    labels: tf.Tensor,
    sub_centers: int,
) -> tf.Tensor:
    """From the whole matrix of cosines."""
    norms = tf.norm(embeddings, axis=1)
    unit = weights / tf.norm(weights, axis=1, keepdims=True)
    cosines = tf.matmul(embeddings / norms[:, None], unit, transpose_b=True)
    cosines = tf.reduce_max(tf.reshape(cosines, [BATCH, -1, sub_centers]), axis=2)
    return fr_losses.margin_softmax(cosines, labels, margin, norms)


def with_gradients(
    losses: Any, embeddings: tf.Tensor, weights: tf.Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses, and gradients of their unequally weighted sum."""
    with tf.GradientTape() as tape:
        tape.watch([embeddings, weights])
        values = losses(embeddings, weights)
        total = tf.tensordot(values, tf.linspace(0.5, 2.0, BATCH), 1)
    of_embeddings, of_weights = tape.gradient(total, [embeddings, weights])
    return values.numpy(), of_embeddings.numpy(), tf.convert_to_tensor(of_weights).numpy()


def close(got: tuple[np.ndarray, ...], wanted: tuple[np.ndarray, ...]) -> None:
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-5, atol=1e-5)
    for gradient, expected in zip(got[1:], wanted[1:], strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@every_loss
@every_backend
@pytest.mark.parametrize("sub_centers", [1, 3])
def test_equals_dense(name: str, backend: str, sub_centers: int) -> None:
    embeddings, weights, labels = inputs(sub_centers)
    make = CASES[name].make
    wanted = with_gradients(lambda x, w: dense(make(CLASSES), x, w, labels, sub_centers), embeddings, weights)
    got = with_gradients(
        lambda x, w: fr_losses.fused_margin_softmax(x, w, labels, make(CLASSES), sub_centers, backend),
        embeddings,
        weights,
    )
    close(got, wanted)


@pytest.mark.parametrize("chunk", [5, CLASSES])
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", ["arcface", "curricularface", "airface", "uniface"])
def test_within_a_function(name: str, jit: bool, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also compiled by XLA, where `auto` is pure TensorFlow, and with one chunk, of which nothing is kept."""
    monkeypatch.setattr(_chunks, "CHUNK_ELEMENTS", chunk * BATCH)
    embeddings, weights, labels = inputs()
    margin = CASES[name].make(CLASSES)

    @tf.function(jit_compile=jit)
    def step(x: tf.Tensor, w: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            losses = fr_losses.fused_margin_softmax(x, w, labels, margin)
        return losses, *tape.gradient(losses, [x, w])

    losses, of_embeddings, of_weights = step(embeddings, weights)
    with tf.GradientTape() as tape:
        tape.watch([embeddings, weights])
        wanted = dense(CASES[name].make(CLASSES), embeddings, weights, labels, 1)
    expected = tape.gradient(wanted, [embeddings, weights])
    np.testing.assert_allclose(losses, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_embeddings, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(of_weights, expected[1], rtol=1e-4, atol=1e-4)


def test_nothing_that_autograph_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's `tf.function` converts what it calls, and would warn of each function that it cannot."""
    warned: list[str] = []
    monkeypatch.setattr(tf.get_logger(), "handle", lambda record: warned.append(record.getMessage()))
    embeddings, weights, labels = inputs()
    for name in CASES:
        margin = CASES[name].make(CLASSES)
        tf.function(lambda x, w, m=margin: fr_losses.fused_margin_softmax(x, w, labels, m))(
            embeddings, weights
        )
    assert not [message for message in warned if "AutoGraph" in message]


@every_backend
def test_bfloat16_products(backend: str) -> None:
    """Operands lose all but 8 bits: logits at scale 64 are off by up to 0.5, the target's not at all."""
    embeddings, weights, labels = inputs()
    margin = fr_losses.ArcFace()
    got = fr_losses.fused_margin_softmax(embeddings, weights, labels, margin, 1, backend, "bfloat16")
    wanted = fr_losses.fused_margin_softmax(embeddings, weights, labels, margin, 1, backend)
    difference = np.abs(got - wanted)
    assert 0 < difference.max() < 0.5


@every_backend
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_inputs(backend: str, dtype: tf.DType) -> None:
    embeddings, weights, labels = inputs()
    embeddings, weights = tf.cast(embeddings, dtype), tf.cast(weights, dtype)
    margin = fr_losses.ArcFace()
    got = with_gradients(
        lambda x, w: fr_losses.fused_margin_softmax(x, w, labels, margin, backend=backend),
        embeddings,
        weights,
    )
    exact = [tf.cast(values, tf.float32) for values in (embeddings, weights)]
    wanted = with_gradients(lambda x, w: dense(margin, x, w, labels, 1), *exact)
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-5, atol=1e-5)
    assert got[1].dtype == got[2].dtype == dtype.as_numpy_dtype
    for gradient, expected in zip(got[1:], wanted[1:], strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradient.astype(np.float32), expected, rtol=2e-2, atol=1e-2 * scale)


@every_backend
def test_extremes(backend: str) -> None:
    """Embeddings equal to their class row or opposite to it, rows of zeros, one sample, two classes."""
    weights = tf.constant([[1.0, 0.0], [-1.0, 0.0]])
    for row in ([5.0, 0.0], [-5.0, 0.0], [0.0, 0.0], [1e-20, 0.0], [1e18, 0.0]):
        x = tf.constant([row])
        with tf.GradientTape() as tape:
            tape.watch([x, weights])
            losses = fr_losses.fused_margin_softmax(x, weights, [0], fr_losses.ArcFace(), backend=backend)
        for values in (losses, *tape.gradient(losses, [x, weights])):
            assert np.isfinite(values.numpy()).all(), row


@every_backend
def test_a_sample_that_is_not_a_number(backend: str) -> None:
    embeddings, weights, labels = inputs()
    bad = tf.tensor_scatter_nd_update(embeddings, [[2, 0]], [np.nan])
    losses = fr_losses.fused_margin_softmax(
        bad, weights, labels, fr_losses.ArcFace(), backend=backend
    ).numpy()
    assert np.isnan(losses[2]) and np.isfinite(np.delete(losses, 2)).all()


def test_bad_input() -> None:
    embeddings, weights, labels = inputs()
    margin = fr_losses.ArcFace()
    with pytest.raises(
        ValueError, match=r"embeddings, class_weights: expected \[B, D\] and \[C, D\], got \(6, 8\)"
    ):
        fr_losses.fused_margin_softmax(embeddings, weights[:, :5], labels, margin)
    with pytest.raises(ValueError, match="class_weights: expected a known multiple of 2 sub-centres as rows"):
        fr_losses.fused_margin_softmax(embeddings, weights, labels, margin, sub_centers=2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels: expected class numbers below 23"):
        fr_losses.fused_margin_softmax(embeddings, weights, labels + 23, margin)
    with pytest.raises(ValueError, match="backend: expected one of auto, op, tensorflow, got 'gpu'"):
        fr_losses.fused_margin_softmax(embeddings, weights, labels, margin, backend="gpu")
    with pytest.raises(ValueError, match="products: expected one of float32, bfloat16, got 'int8'"):
        fr_losses.fused_margin_softmax(embeddings, weights, labels, margin, products="int8")


@every_backend
def test_conflicting_classes_count_as_orthogonal(backend: str) -> None:
    embeddings, weights, labels = inputs()
    above = 0.3
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    cosines = unit(embeddings.numpy().astype(float)) @ unit(weights.numpy().astype(float)).T
    own = np.arange(CLASSES) == labels.numpy()[:, None]
    conflicts = (cosines > above) & ~own
    assert conflicts.any() and (cosines[own] > above).any()
    margin = fr_losses.ArcFace(scale=16.0)
    wanted = fr_losses.margin_softmax(np.where(conflicts, 0.0, cosines), labels, margin)
    head = fr_losses.FusedMarginSoftmax(CLASSES, margin, conflict_above=above, backend=backend)
    head.build((None, WIDTH))
    head.class_weights.assign(weights)
    np.testing.assert_allclose(head(embeddings, labels), wanted, rtol=1e-5)
    curricular = fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.CurricularFace(), conflict_above=above)
    with pytest.raises(ValueError, match=r"conflict_above: expected a loss that leaves the cosines"):
        curricular(embeddings, labels)
    with pytest.raises(ValueError, match=r"^conflict_above: expected a cosine in \(-1, 1\), got 2"):
        fr_losses.FusedMarginSoftmax(CLASSES, conflict_above=2)


@every_backend
def test_skipped_classes_are_not_missed(backend: str) -> None:
    """Shares below 1e-9 change no gradient of float32; larger ones do, by what was said of them at most."""
    embeddings, weights, labels = inputs()
    gradients = {
        share: with_gradients(
            lambda x, w, share=share: fr_losses.fused_margin_softmax(
                x, w, labels, fr_losses.ArcFace(), 1, backend, skip_below=share
            ),
            embeddings,
            weights,
        )
        for share in (0.0, 1e-9, 0.5)
    }
    close(gradients[1e-9], gradients[0.0])
    assert backend == "tensorflow" or np.any(gradients[0.5][2] != gradients[0.0][2])
    with pytest.raises(ValueError, match=r"^skip_below: expected a share in \[0, 1\), got 1"):
        fr_losses.fused_margin_softmax(embeddings, weights, labels, fr_losses.ArcFace(), skip_below=1.0)


@pytest.mark.parametrize("name", ["norm_softmax", "arcface", "cosface"])
def test_double_precision(name: str) -> None:
    """Equal to the dense computation in NumPy, of all classes and of those that Partial FC has drawn."""
    embeddings, weights, labels = (np.asarray(array, np.float64) for array in inputs())
    labels = labels.astype(int)
    head = fr_losses.PartialFC(CLASSES, CASES[name].make(CLASSES), rate=0.5, dtype="float64")
    head.build((None, WIDTH))
    head.class_weights.assign(weights)
    margins = {"norm_softmax": lambda c: c, "arcface": _arcface, "cosface": lambda c: c - 0.35}
    scale = head.margin.scale

    def losses_of(classes: np.ndarray) -> np.ndarray:
        units = [
            rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (embeddings, weights[classes])
        ]
        cosines = units[0] @ units[1].T
        own = classes == labels[:, None]
        logits = scale * np.where(own, margins[name](np.clip(cosines, -1, 1)), cosines)
        peaks = logits.max(axis=1)
        return peaks + np.log(np.exp(logits - peaks[:, None]).sum(axis=1)) - logits[own]

    np.testing.assert_allclose(
        head(embeddings, labels), losses_of(np.arange(CLASSES)), rtol=1e-12, atol=1e-12
    )
    head.steps.assign(0)
    drawn = head.select(tf.constant(labels, tf.int32), training=True)[2].numpy()
    assert len(drawn) == 12
    head.steps.assign(0)
    np.testing.assert_allclose(
        head(embeddings, labels, training=True), losses_of(drawn), rtol=1e-12, atol=1e-12
    )


def _arcface(cosines: np.ndarray) -> np.ndarray:
    return np.cos(np.arccos(cosines) + 0.5)
