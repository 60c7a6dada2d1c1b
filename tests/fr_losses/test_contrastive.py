"""What every loss of labelled embeddings holds to, center and triplet losses too; mining; bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_losses import center, contrastive, triplet
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow import keras

from tests.fr_losses._metric_reference import CASES, GOLDEN_EMBEDDINGS, GOLDEN_LABELS, slopes

every_loss = pytest.mark.parametrize("name", CASES)
PAIRWISE = [name for name in CASES if not name.endswith("center")]
DTYPES = (tf.float32, tf.float16, tf.bfloat16)


def random_batch(seed: int, batch: int = 12, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, 5)), rng.integers(classes, size=batch)


def losses_and_gradient(loss: Any, labels: Any, embeddings: Any) -> tuple[np.ndarray, np.ndarray]:
    x = tf.convert_to_tensor(embeddings)
    x = tf.cast(x, tf.float32) if x.dtype == tf.float64 else x
    with tf.GradientTape() as tape:
        tape.watch(x)
        losses = loss.call(tf.constant(labels), x)
    return losses.numpy(), tf.cast(tape.gradient(losses, x), tf.float32).numpy()


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_formula_and_gradient(name: str, seed: int) -> None:
    make, reference, _ = CASES[name]
    embeddings, labels = random_batch(seed)
    losses, gradient = losses_and_gradient(make(), labels, embeddings)
    np.testing.assert_allclose(losses, reference(embeddings, labels), rtol=2e-5, atol=2e-6)
    expected = slopes(lambda x: sum(reference(x, labels)), embeddings)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@every_loss
def test_large_batch(name: str) -> None:
    """Many classes, some with one sample alone."""
    make, reference, _ = CASES[name]
    embeddings, labels = random_batch(9, batch=60, classes=30)
    losses, _ = losses_and_gradient(make(), labels, embeddings)
    np.testing.assert_allclose(losses, reference(embeddings, labels), rtol=5e-5, atol=5e-6)


@every_loss
@pytest.mark.parametrize(
    ("labels", "lacks"), [(range(6), "positives"), ([7] * 6, "negatives"), ([0], "positives")]
)
def test_without_pairs(name: str, labels: list[int], lacks: str) -> None:
    """Losses of 0 and gradients of 0, in half precision too; those that need no such pairs are finite."""
    embeddings, _ = random_batch(1, batch=len(labels))
    for dtype in DTYPES:
        losses, gradient = losses_and_gradient(CASES[name].make(), labels, tf.cast(embeddings, dtype))
        assert losses.dtype == np.float32 and losses.shape == (len(labels),)
        assert np.isfinite(losses).all() and np.isfinite(gradient).all()
        if lacks in CASES[name].needs:
            assert not losses.any() and not gradient.any()


@every_loss
def test_finite_at_the_ends(name: str) -> None:
    """Equal and opposite embeddings, and embeddings of 0: cosines of 1, -1 and none."""
    row, zero = np.random.default_rng(0).normal(size=5), np.zeros(5)
    labels = [0, 0, 1, 0, 1, 1]
    for rows in ([row] * 6, [row, -row] * 3, [zero] * 6, [row, row, -row, zero, 1e3 * row, row]):
        for dtype in DTYPES:
            loss = CASES[name].make()
            for _ in range(2):  # centres and margins move with the first batch
                losses, gradient = losses_and_gradient(loss, labels, tf.cast(np.stack(rows), dtype))
                assert np.isfinite(losses).all() and np.isfinite(gradient).all()


@every_loss
def test_half_precision(name: str) -> None:
    """Only the rounding of the embeddings themselves is lost."""
    embeddings, labels = random_batch(2)
    for dtype in (tf.float16, tf.bfloat16):
        rounded = tf.cast(embeddings, dtype)
        wanted = CASES[name].make().call(labels, tf.cast(rounded, tf.float32))
        np.testing.assert_array_equal(CASES[name].make().call(labels, rounded), wanted)


@pytest.mark.parametrize("name", PAIRWISE)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_properties(name: str, seed: int) -> None:
    """Not negative; blind to rotations of embeddings, to the names of classes, to the order of samples."""
    embeddings, labels = random_batch(seed)
    rng = np.random.default_rng(seed)
    losses, _ = losses_and_gradient(CASES[name].make(), labels, embeddings)
    if name != "batch_all_pairs":
        assert (losses >= -1e-6).all()
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    names = rng.permutation(100)[:4]
    turned, _ = losses_and_gradient(CASES[name].make(), names[labels], embeddings @ rotation)
    np.testing.assert_allclose(turned, losses, rtol=1e-3, atol=1e-4)
    order = rng.permutation(12)
    permuted, _ = losses_and_gradient(CASES[name].make(), labels[order], embeddings[order])
    np.testing.assert_allclose(permuted, losses[order], rtol=1e-3, atol=1e-4)


@every_loss
def test_labels_as_keras_gives_them(name: str) -> None:
    embeddings, labels = random_batch(3)
    x = tf.constant(embeddings, tf.float32)
    wanted = CASES[name].make().call(labels, x)
    for other in (labels.astype(np.float32), labels[:, None], labels[:, None].astype(np.float32)):
        np.testing.assert_array_equal(CASES[name].make().call(tf.constant(other), x), wanted)


@every_loss
def test_config(name: str) -> None:
    embeddings, labels = random_batch(4)
    loss = CASES[name].make()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    np.testing.assert_array_equal(again.call(labels, embeddings), loss.call(labels, embeddings))
    for reduction, reduce in (("sum_over_batch_size", np.mean), ("sum", np.sum)):
        losses = CASES[name].make().call(labels, embeddings).numpy()
        reduced = type(loss).from_config({**CASES[name].make().get_config(), "reduction": reduction})
        assert float(reduced(labels, embeddings)) == pytest.approx(float(reduce(losses)), rel=1e-5)


def test_names() -> None:
    """A loss that is given none has that of its class, on Keras 2 and Keras 3, however often it is made."""
    for _ in range(2):
        assert contrastive.MultiSimilarity().name == "multi_similarity"
        assert center.CenterLoss(9).name == "center_loss"
    assert triplet.SemiHardTriplet(name="mined").name == "mined"


@pytest.mark.parametrize(
    "name",
    [
        *("batch_hard_angle", "batch_all_euclidean", "semi_hard", "auto_margin", "batch_all_pairs"),
        *("multi_similarity", "supervised_contrastive", "center"),
    ],
)
def test_fit(name: str) -> None:
    """Compiled by XLA, as Keras 3 does on a GPU: the first loss is the eager one, later ones are smaller."""
    keras.utils.set_random_seed(0)
    embeddings, labels = random_batch(6, batch=32)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5)])
    model.compile(keras.optimizers.SGD(0.05), CASES[name].make(), jit_compile=True)
    first = float(CASES[name].make()(labels, model(embeddings)))
    history = model.fit(embeddings, labels, batch_size=32, epochs=12, verbose=0, shuffle=False).history
    assert history["loss"][0] == pytest.approx(first, rel=1e-4) and history["loss"][-1] < history["loss"][0]


GOLDEN_PAIRS = [0.33674, 0.48158, 0.40987, 0.22301, 0.00120, 0.00120]


def test_golden() -> None:
    """Of Keras_insightface's BatchAllTripletLoss."""
    losses = contrastive.batch_all_pairs(GOLDEN_EMBEDDINGS, GOLDEN_LABELS)
    np.testing.assert_allclose(losses, GOLDEN_PAIRS, rtol=1e-4, atol=5e-6)


def test_functions() -> None:
    embeddings, labels = random_batch(7)
    wanted = contrastive.SupervisedContrastive(temperature=0.5).call(labels, embeddings)
    got = contrastive.supervised_contrastive(embeddings, labels, temperature=0.5)
    np.testing.assert_array_equal(got, wanted)
    assert contrastive.supervised_contrastive.__name__ == "supervised_contrastive"
    assert "SupervisedContrastive" in str(contrastive.supervised_contrastive.__doc__)


def test_multi_similarity_mines() -> None:
    """A negative far below the positives, and positives far above the negatives, cost nothing."""
    apart = np.array([[1, 0, 0], [1, 0.1, 0], [-1, 0, 1], [-1, 0.1, 1]])
    losses, gradient = losses_and_gradient(contrastive.MultiSimilarity(), [0, 0, 1, 1], apart)
    assert not losses.any() and not gradient.any()
    losses, _ = losses_and_gradient(contrastive.MultiSimilarity(epsilon=3.0), [0, 0, 1, 1], apart)
    assert losses.all()


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, -1, 1], "labels: expected class numbers from 0 on"),
        ([0.0, 0.5, 1.0], "labels: expected whole numbers"),
    ],
)
@pytest.mark.parametrize("name", ["batch_hard", "center"])
def test_bad_labels(name: str, labels: list[float], message: str, graph: bool) -> None:
    loss: Callable[..., tf.Tensor] = CASES[name].make().call
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        (tf.function(loss) if graph else loss)(tf.constant(labels), tf.ones((3, 5)))


@pytest.mark.parametrize("name", ["batch_hard", "center"])
def test_bad_shapes(name: str) -> None:
    for function in (CASES[name].make().call, tf.function(CASES[name].make().call)):
        with pytest.raises(ValueError, match="labels: expected one for each of 3 samples, got 2"):
            function(tf.range(2), tf.ones((3, 5)))
    with pytest.raises(ValueError, match=r"labels: expected the class numbers \[B\] of a batch, got shape"):
        CASES[name].make().call(tf.eye(3), tf.ones((3, 5)))
    with pytest.raises(ValueError, match=r"embeddings: expected shape \[B, D\], got \(3, 5, 1\)"):
        CASES[name].make().call(tf.range(3), tf.ones((3, 5, 1)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: contrastive.MultiSimilarity(alpha=0), "alpha: expected a number above 0, got 0"),
        (lambda: contrastive.MultiSimilarity(beta=-1), "beta: expected a number above 0, got -1"),
        (lambda: contrastive.SupervisedContrastive(0), "temperature: expected a number above 0, got 0"),
        (lambda: triplet.BatchHardTriplet(-0.1), "margin: expected a number from 0 on, got -0.1"),
        (lambda: triplet.BatchHardTriplet(4, margin_on="angle"), r"margin: expected radians in \[0, pi\)"),
        (lambda: triplet.SemiHardTriplet(distance="l2"), "distance: expected one of cosine, squared_eucl"),
        (lambda: triplet.OfflineTriplet(margin_on="cosine"), "margin_on: expected one of distance, angle"),
        (
            lambda: triplet.BatchAllTriplet(distance="euclidean", margin_on="angle"),
            "margin_on: 'angle' needs the cosine distance, got 'euclidean'",
        ),
        (lambda: triplet.AutoMarginTriplet(share=0), "share: expected a number above 0, got 0"),
        (lambda: center.CenterLoss(0), "classes: expected a whole number from 1 on, got 0"),
        (lambda: center.CenterLoss(9, 0), "embedding_dim: expected a whole number from 1 on, got 0"),
        (lambda: center.CenterLoss(9, alpha=1.5), r"alpha: expected a number in \[0, 1\], got 1.5"),
    ],
)
def test_bad_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


@every_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_embedding_that_is_not_finite_has_no_loss(name: str, bad: float, rng: np.random.Generator) -> None:
    """Which maxima over comparisons would hide."""
    embeddings = rng.normal(size=(12, 5)).astype(np.float32)
    embeddings[5, 2] = bad
    losses = CASES[name].make().call(np.repeat([0, 1, 2], 4), embeddings)
    assert np.isnan(losses[5])


@pytest.mark.parametrize("name", PAIRWISE)
def test_a_replica_without_samples(name: str) -> None:
    loss = CASES[name].make()
    signature = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 4])]
    losses = tf.function(loss.call, input_signature=signature)(tf.zeros([0], tf.int32), tf.zeros([0, 4]))
    assert losses.shape == (0,)
    if hasattr(loss, "state"):
        assert all(np.isfinite(weight).all() for weight in loss.state.get_weights())
