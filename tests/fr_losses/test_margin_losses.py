"""Margin losses: the golden numbers of Keras_insightface, plain formulas in float64, gradients, bad input."""

from __future__ import annotations

import functools
from collections.abc import Callable

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses._angles import added_linear
from fr_losses._class_cosines import DenseCosines
from tensorflow import keras

from tests.fr_losses import _reference
from tests.fr_losses._reference import CASES, adacos, adaface, arc, cross_entropy, curricular, with_norms

GOLDEN_COSINES = np.array([[0.9 * np.sin(1.3 * i + 0.7 * j + 0.2) for j in range(6)] for i in range(4)])
GOLDEN_LABELS = np.array([0, 3, 5, 2])
GOLDEN_NORMS = np.array([5.0, 20.0, 60.0, 130.0])
SOFTMAX_5 = fr_losses.MarginSoftmax(scale=5.0)
GOLDEN = {
    "arcface": (fr_losses.ArcFace(past_pi="reflect"), [77.72174, 107.96936, 49.12510, 115.11987]),
    "combined": (
        fr_losses.CombinedMargin(multiplier=1.35, angular_margin_rad=0.2, additive_margin=0.1),
        [95.05614, 125.57076, 68.34392, 126.52348],
    ),
    "smoothing": (
        fr_losses.ArcFace(past_pi="reflect", label_smoothing=0.1),
        [73.98857, 103.59654, 49.04034, 110.50969],
    ),
    "curricular": (
        fr_losses.CurricularFace(past_pi="reflect"),
        [71.82128, 101.97368, 36.67303, 110.97471],
    ),
    "airface": (fr_losses.AirFace(others="cosine"), [66.54846, 90.44295, 34.97620, 100.08090]),
    "cosface": (fr_losses.CosFace(), [68.53210, 105.34490, 40.72684, 118.79130]),
    "magface": (fr_losses.MagFace(past_pi="minimum"), [78.18942, 109.18208, 56.70874, 120.16924]),
    "magface_cos": (fr_losses.MagFace(margin_on="cosine"), [78.46102, 115.79276, 59.08372, 148.22768]),
    "adaface": (fr_losses.AdaFace(), [71.71330, 108.54303, 43.93022, 123.32487]),
    "adacos": (fr_losses.AdaCos(num_classes=6), [3.28845, 5.08069, 1.45610, 5.60985]),
    "margin_softmax": (SOFTMAX_5, [5.72031, 8.46588, 2.79121, 9.30669]),
}

FROZEN = {
    "curricularface": curricular("linear", t=0.0),
    "curricularface_reflect": curricular("reflect", t=0.0),
    "adacos": lambda cosines, labels, norms: adacos(cosines, labels, norms, moves=False),
    "adaface": lambda cosines, labels, norms: adaface(cosines, labels, norms, moves=False),
}

WITHOUT_SMOOTHING = ("margin_softmax", "uniface", "arcface_smoothed")
RISING = ("arcface_none", "arcface_easy")
ANGLES = np.sort([*np.linspace(0, np.pi, 1001), np.pi - 0.5, np.pi - 0.45, np.pi / 2])

every_loss = pytest.mark.parametrize("name", CASES)


def random_batch(seed: int, batch: int = 9, classes: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=batch)
    return rng.uniform(-0.98, 0.98, (batch, classes)), labels, rng.uniform(3, 130, batch)


def call(
    loss: fr_losses.MarginLoss, cosines: np.ndarray, labels: np.ndarray, norms: np.ndarray
) -> np.ndarray:
    outputs = with_norms(loss, cosines, norms).astype(np.float32)
    return loss.call(tf.constant(labels), tf.constant(outputs)).numpy()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    loss, expected = GOLDEN[name]
    fresh = type(loss).from_config(loss.get_config())
    np.testing.assert_allclose(call(fresh, GOLDEN_COSINES, GOLDEN_LABELS, GOLDEN_NORMS), expected, rtol=1e-4)


def test_golden_state() -> None:
    loss = fr_losses.CurricularFace(past_pi="reflect")
    call(loss, GOLDEN_COSINES, GOLDEN_LABELS, GOLDEN_NORMS)
    assert loss.state.values()["t"] == pytest.approx(-0.00210, abs=5e-6)


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_formula(name: str, seed: int) -> None:
    make, reference = CASES[name]
    cosines, labels, norms = random_batch(seed)
    expected = reference(cosines, labels, norms)
    np.testing.assert_allclose(call(make(7), cosines, labels, norms), expected, rtol=2e-5, atol=2e-5)


def formula(name: str) -> Callable[..., list[float]]:
    """The formula with the state of a fresh loss, which moves with a batch but has no gradient."""
    return FROZEN.get(name, CASES[name].reference)


@every_loss
def test_gradient(name: str) -> None:
    """Against central differences of the float64 formula, in cosines and norms; the state stands still."""
    if name == "arcface_straight_through":
        pytest.skip("its gradient is not the derivative, by definition")
    cosines, labels, norms = random_batch(5, batch=4)
    norms = np.array([5.0, 30.0, 60.0, 100.0])  # one below MagFace's range
    loss, reference = CASES[name].make(7), formula(name)
    x, of_norms = tf.constant(cosines, tf.float32), tf.constant(norms, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([x, of_norms])
        dense = DenseCosines(x, tf.constant(labels, tf.int32))
        moves = name == "sphereface"  # its weight falls with the first batch
        total = tf.reduce_sum(loss.losses(dense, of_norms, training=moves))
    gradients = tape.gradient(total, [x, of_norms], unconnected_gradients="zero")
    step = 1e-6
    for i, j in np.ndindex(4, 7):
        move = np.zeros_like(cosines)
        move[i, j] = step
        up, down = (sum(reference(moved, labels, norms)) for moved in (cosines + move, cosines - move))
        assert float(gradients[0][i, j]) == pytest.approx((up - down) / (2 * step), rel=2e-3, abs=2e-3)
    if name == "adaface":  # stops the norm's gradient
        assert not gradients[1].numpy().any()
        return
    for i, norm in enumerate(norms):
        step = 1e-4 * norm
        move = np.zeros(4)
        move[i] = step
        up, down = (sum(reference(cosines, labels, moved)) for moved in (norms + move, norms - move))
        assert float(gradients[1][i]) == pytest.approx((up - down) / (2 * step), rel=5e-3, abs=2e-3)


def test_straight_through_gradient() -> None:
    """insightface's arcface_torch: the logit's derivative is the scale."""
    cosines, labels, _ = random_batch(1)
    for margin in (fr_losses.ArcFace(gradient="straight_through"), fr_losses.SphereFaceR(scale=64.0)):
        x = tf.constant(cosines, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            losses = margin.call(labels, x)
        gradient = tape.gradient(losses, x).numpy()
        own = gradient[np.arange(9), labels]
        np.testing.assert_allclose(own, -64 * (1 - np.exp(-losses.numpy())), rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in CASES if name not in RISING])
def test_the_logit_falls_with_the_angle(name: str) -> None:
    """From 0 to pi; so it rises with the cosine, by a finite amount."""
    target = tf.constant(np.cos(ANGLES), tf.float32)
    loss = CASES[name].make(7)
    with tf.GradientTape() as tape:
        tape.watch(target)
        harder = loss.with_margin(target, tf.fill(target.shape, 60.0))
    slope = tape.gradient(harder, target).numpy()
    assert np.isfinite(harder.numpy()).all() and np.isfinite(slope).all()
    assert np.diff(harder).max() < 1e-6 and slope.min() > -1e-3


@pytest.mark.parametrize("name", RISING)
def test_the_logit_of_others_stays_finite(name: str) -> None:
    target = tf.constant(np.cos(ANGLES), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(target)
        harder = CASES[name].make(7).with_margin(target, None)
    assert np.isfinite(harder.numpy()).all() and np.isfinite(tape.gradient(harder, target).numpy()).all()


@pytest.mark.parametrize("margin", [-0.3, 0.0, 0.1, 0.5, 1.0, 2.3])
def test_margins_of_samples_past_pi(margin: float) -> None:
    """ElasticFace's and MagFace's, which may be below 0: then no angle passes pi."""
    cosines = np.cos(np.linspace(0, np.pi, 1001))
    got = added_linear(tf.constant(cosines, tf.float32), tf.fill(cosines.shape, margin)).numpy()
    np.testing.assert_allclose(got, [arc(c, margin) for c in cosines.astype(np.float32)], atol=2e-6)
    assert margin < 0 or np.diff(got).max() < 1e-6


def test_which_classes_are_hard_past_pi() -> None:
    """CurricularFace's authors compare with ``cos(theta + margin)`` though the logit is a lower one."""
    cosines = np.array([[-0.99, -0.95, -0.93, 0.2]])  # the target with its margin: -0.936, the logit: -1.23
    own, easy, hard, near = cosines[0]
    losses = {
        "linear": [easy, hard * (0.3 + hard), near * (0.3 + near)],
        "reflect": [c * (0.3 + c) for c in (easy, hard, near)],
    }
    for past_pi, others in losses.items():
        loss = fr_losses.CurricularFace(t=0.3, momentum=0.0, scale=4.0, past_pi=past_pi)
        logits = [4.0 * c for c in (arc(own, 0.5, past_pi), *others)]
        got = call(loss, cosines, np.zeros(1, int), np.ones(1))
        assert float(got[0]) == pytest.approx(cross_entropy(logits, 0), rel=1e-5)


@every_loss
def test_finite_at_the_ends(name: str) -> None:
    """Cosines of exactly 1 and -1, one sample, half precision."""
    loss = CASES[name].make(3)
    for own in (1.0, -1.0, 1.0 + 1e-7, 0.0):
        for dtype in (tf.float32, tf.float16, tf.bfloat16):
            row = with_norms(loss, np.array([[own, -1.0, 1.0]]), np.array([0.0]))
            x = tf.constant(row, dtype)
            with tf.GradientTape() as tape:
                tape.watch(x)
                losses = loss.call(tf.constant([0]), x)
            assert losses.dtype == tf.float32 and losses.shape == (1,)
            assert np.isfinite(losses.numpy()).all()
            assert np.isfinite(tf.cast(tape.gradient(losses, x), tf.float32).numpy()).all()


@every_loss
def test_of_the_function_and_of_its_config(name: str) -> None:
    cosines, labels, norms = random_batch(3)
    loss = CASES[name].make(7)
    call(loss, cosines, labels, norms)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    wanted = call(loss, cosines, labels, norms)
    np.testing.assert_array_equal(call(again, cosines, labels, norms), wanted)
    other = type(loss).from_config({**loss.get_config(), **again.get_config()})
    direct = fr_losses.margin_softmax(cosines, labels, other, norms)
    assert direct.shape == (9,)


@every_loss
def test_keras_reduction(name: str) -> None:
    cosines, labels, norms = random_batch(4)
    losses = call(CASES[name].make(7), cosines, labels, norms)
    loss = CASES[name].make(7)
    x = with_norms(loss, cosines, norms).astype(np.float32)
    assert float(loss(labels, x)) == pytest.approx(float(losses.mean()), rel=1e-5)


@every_loss
def test_sample_weights(name: str) -> None:
    """Keras multiplies each sample's loss; the mean is over all samples."""
    cosines, labels, norms = random_batch(4)
    weights = np.array([0, 1, 2, 0.5, 0, 1, 3, 1, 1])
    wanted = weights * CASES[name].reference(cosines, labels, norms)
    x = with_norms(CASES[name].make(7), cosines, norms).astype(np.float32)
    for reduction, reduced in (("sum_over_batch_size", wanted.mean()), ("sum", wanted.sum())):
        config = {**CASES[name].make(7).get_config(), "reduction": reduction}
        loss = type(CASES[name].make(7)).from_config(config)
        assert float(loss(labels, x, sample_weight=weights)) == pytest.approx(float(reduced), rel=2e-5)


@pytest.mark.parametrize("name", ["arcface", "adaface", "uniface"])
def test_sample_weights_in_fit(name: str) -> None:
    """The loss that `fit` reports is the weighted one, and a sample of weight 0 trains nothing."""
    rng = np.random.default_rng(0)
    x, labels, weights = (
        rng.normal(size=(8, 5)),
        rng.integers(7, size=8),
        np.array([1, 0, 2, 0, 1, 0, 0.5, 1]),
    )
    trained = []
    for other in (x, np.where(weights[:, None] == 0, -x, x)):
        keras.utils.set_random_seed(0)
        loss = CASES[name].make(7)
        model = keras.Sequential([keras.Input((5,)), fr_losses.NormDense(7, append_norm=loss.uses_norms)])
        outputs = model(other).numpy().astype(float)
        wanted = weights * CASES[name].reference(outputs[:, :7], labels, np.linalg.norm(other, axis=1))
        model.compile(keras.optimizers.SGD(0.01), loss)
        history = model.fit(other, labels, batch_size=8, sample_weight=weights, verbose=0).history
        assert history["loss"][0] == pytest.approx(wanted.mean(), rel=1e-5)
        trained.append(model.get_weights()[0])
    np.testing.assert_allclose(*trained, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if name not in WITHOUT_SMOOTHING])
@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing(name: str, smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every margin: the formula's cross-entropy, its target's weight shared out to all classes."""
    plain = functools.partial(cross_entropy, smoothing=smoothing)
    monkeypatch.setattr(_reference, "cross_entropy", plain)
    cosines, labels, norms = random_batch(9)
    config = {**CASES[name].make(7).get_config(), "label_smoothing": smoothing}
    loss = type(CASES[name].make(7)).from_config(config)
    expected = CASES[name].reference(cosines, labels, norms)
    np.testing.assert_allclose(call(loss, cosines, labels, norms), expected, rtol=2e-5, atol=2e-5)


@every_loss
def test_mixup(name: str) -> None:
    """Rows of two weights mix the losses of the two classes."""
    cosines, labels, norms = random_batch(6, batch=1)
    other = (labels + 2) % 7
    rows = 0.7 * np.eye(7)[labels] + 0.3 * np.eye(7)[other]
    loss = CASES[name].make(7)
    mixed = call(loss, cosines, rows, norms)
    moved = type(loss).from_config(loss.get_config())
    stay = DenseLosses(moved)
    expected = 0.7 * stay(cosines, labels, norms) + 0.3 * stay(cosines, other, norms)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)


class DenseLosses:
    """A loss whose state stays."""

    def __init__(self, loss: fr_losses.MarginLoss) -> None:
        self.loss = loss

    def __call__(self, cosines: np.ndarray, labels: np.ndarray, norms: np.ndarray) -> np.ndarray:
        rows = DenseCosines(tf.constant(cosines, tf.float32), tf.constant(labels, tf.int32))
        norm = tf.constant(norms, tf.float32) if self.loss.uses_norms else None
        return self.loss.losses(rows, norm, training=False).numpy()


def test_functions() -> None:
    cosines, labels, norms = random_batch(7)
    np.testing.assert_array_equal(
        fr_losses.arcface(cosines, labels, margin=0.3), fr_losses.ArcFace(0.3).call(labels, cosines)
    )
    assert fr_losses.adaface(cosines, labels, norms).shape == (9,)
    with pytest.raises(ValueError, match=r"^norms: AdaFace needs the norms \[B\] of the embeddings$"):
        fr_losses.adaface(cosines, labels)


def test_elastic_margins() -> None:
    """Their mean and deviation, the same draws after a resume, the larger ones for smaller cosines."""
    cosines = np.zeros((20_000, 2))
    labels = np.zeros(20_000, int)
    loss = fr_losses.ElasticFace(kind="cos", scale=1.0, std=0.05)
    x = call(loss, cosines, labels, labels)
    margins = np.log(np.expm1(x))
    assert margins.mean() == pytest.approx(0.35, abs=2e-3) and margins.std() == pytest.approx(0.05, rel=0.03)
    resumed = fr_losses.ElasticFace.from_config(loss.get_config())
    np.testing.assert_array_equal(call(loss, cosines, labels, labels), call(resumed, cosines, labels, labels))
    plus = fr_losses.ElasticFace(kind="cos", scale=1.0, by_difficulty=True)
    ordered = np.stack([np.linspace(-0.9, 0.9, 50), np.zeros(50)], axis=1)
    margins = np.log(np.expm1(call(plus, ordered, np.zeros(50, int), np.zeros(50)))) + ordered[:, 0]
    assert np.all(np.diff(margins) < 1e-5)


BAD_LABELS = {
    "too large": (np.array([7]), "labels: expected class numbers below 7, the class count"),
    "negative": (np.array([-1]), "labels: expected class numbers from 0 on"),
    "past int32": (np.array([2**32 + 1]), "labels: expected class numbers below 7"),
    "fractions": (np.array([0.5], np.float32), "labels: expected whole numbers"),
    "weights": (
        np.full((1, 7), 1 / 7, np.float32),
        "labels: expected rows of one or two weights whose sum is 1",
    ),
}


@pytest.mark.parametrize("name", BAD_LABELS)
@pytest.mark.parametrize("graph", [False, True])
def test_bad_labels(name: str, graph: bool) -> None:
    labels, message = BAD_LABELS[name]
    loss: Callable[..., tf.Tensor] = fr_losses.ArcFace().call
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        (tf.function(loss) if graph else loss)(tf.constant(labels), tf.zeros((1, 7)))


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (np.array([3, 6, 9, 8]), "9 of sample 2"),
        (np.array([3, -2, 0, 0]), "-2 of sample 1"),
        (np.array([0, 1, 2, 2.5], np.float32), "2.5 of sample 3"),
        (np.eye(7, dtype=np.float32)[:4] * [[1], [1], [0.5], [1]], r"as .+ \[0.5 0.5\] of sample 2"),
    ],
)
def test_bad_labels_are_named(labels: np.ndarray, got: str) -> None:
    loss = fr_losses.ArcFace().call
    with pytest.raises(tf.errors.InvalidArgumentError, match=f", got {got}$") as error:
        loss(tf.constant(labels), tf.zeros((4, 7)))
    assert "\n" not in str(error.value)
    value, place = got.rpartition(" ")[0].replace(" of sample", ""), got[-1]
    value = value.removeprefix(r"as .+ ").removeprefix(r"\[").removesuffix(r"\]")
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{value}\]+ \[of sample\] \[{place}\]"):
        tf.function(loss)(tf.constant(labels), tf.zeros((4, 7)))


def test_labels_that_half_precision_would_round() -> None:
    """Keras 3 casts what a loss is called with to ``floatx``, in which 4,095 and 4,097 are 4,096."""
    labels = np.array([4095, 4097])
    cosines = np.full((2, 4100), -1, np.float32)
    cosines[[0, 1], labels] = 1
    before = keras.backend.floatx()
    keras.mixed_precision.global_policy()  # made of floatx when first asked for
    keras.backend.set_floatx("float16")
    try:
        loss = fr_losses.ArcFace()
        model = keras.Sequential([keras.Input((4100,)), keras.layers.Activation("linear", dtype="float32")])
        model.compile(loss=fr_losses.ArcFace())
        assert float(loss(labels, cosines)) < 1e-3
        assert float(model.evaluate(cosines, labels, verbose=0)) < 1e-3
    finally:
        keras.backend.set_floatx(before)


def test_bad_shapes() -> None:
    with pytest.raises(ValueError, match="labels: expected one for each of 2 samples, got 1"):
        fr_losses.ArcFace().call(tf.constant([0]), tf.zeros((2, 7)))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="cosines: expected the negated norms as last col"
    ):
        fr_losses.AdaFace().call(tf.constant([0]), tf.ones((1, 7)))
    with pytest.raises(TypeError, match="multiplier: ArcFace has one margin; CombinedMargin has three"):
        fr_losses.ArcFace(multiplier=2)
    with pytest.raises(ValueError, match=r"labels: expected class numbers \[B\] or rows of 7 weights, got"):
        fr_losses.ArcFace().call(tf.zeros((1, 5)), tf.zeros((1, 7)))
    with pytest.raises(ValueError, match=r"cosines: expected shape \[B, C\] with a known class count"):
        fr_losses.ArcFace().call(tf.constant([0]), tf.zeros((7,)))
    with pytest.raises(ValueError, match="cosines: expected at least 2 classes, got 1"):
        fr_losses.ArcFace().call(tf.constant([0]), tf.zeros((1, 1)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fr_losses.ArcFace(scale=0), "scale: expected a number above 0, got 0"),
        (lambda: fr_losses.ArcFace(margin=4), r"angular_margin_rad: expected radians in \[0, pi\), got 4"),
        (lambda: fr_losses.ArcFace(label_smoothing=1), r"label_smoothing: expected a share in \[0, 1\)"),
        (
            lambda: fr_losses.ArcFace(past_pi="wrap"),
            "past_pi: expected one of linear, reflect, none, got 'wrap'",
        ),
        (lambda: fr_losses.ArcFace(gradient="st"), "gradient: expected one of exact, straight_through"),
        (
            lambda: fr_losses.CombinedMargin(1.5, past_pi="linear"),
            "past_pi: 'linear' needs a multiplier of 1",
        ),
        (lambda: fr_losses.SphereFace(margin=1.5), "margin: expected a whole number from 1 on, got 1.5"),
        (lambda: fr_losses.AdaCos(), "num_classes: expected at least 3 classes, or a scale, got None"),
        (
            lambda: fr_losses.UniFace(num_classes=1),
            "num_classes: expected at least 2 classes, or a bias, got 1",
        ),
        (lambda: fr_losses.MagFace(max_norm=5), "max_norm: expected more than min_norm, 10.0, got 5"),
        (lambda: fr_losses.ElasticFace(kind="x"), "kind: expected one of arc, cos, got 'x'"),
        (lambda: fr_losses.CosFace(margin=float("nan")), r"margin: expected a .+ in \[0, 2\], got nan"),
        (lambda: fr_losses.CosFace(50), r"margin: expected a difference of cosines in \[0, 2\], got 50"),
        (lambda: fr_losses.CosFace(-1), r"margin: expected a difference of cosines in \[0, 2\], got -1"),
        (lambda: fr_losses.UniFace(9, margin=2.1), r"margin: expected a difference of cosines in \[0, 2\]"),
        (lambda: fr_losses.ArcFace("0.5"), r"angular_margin_rad: expected radians in \[0, pi\), got '0.5'"),
        (lambda: fr_losses.CombinedMargin(additive_margin=-0.1), r"additive_margin: expected .+, got -0.1"),
        (lambda: fr_losses.AirFace(3.2), r"margin: expected radians in \[0, pi\), got 3.2"),
        (lambda: fr_losses.CurricularFace(28.6), r"expected radians in \[0, pi\), got 28.6"),
        (lambda: fr_losses.AdaFace(1.5), "margin: expected at most 1, got 1.5"),
        (lambda: fr_losses.MagFace(max_margin=4), r"max_margin: expected radians in \[0, pi\), got 4"),
        (
            lambda: fr_losses.MagFace(max_margin=0.4),
            "max_margin: expected at least min_margin, 0.45, got 0.4",
        ),
        (
            lambda: fr_losses.MagFace(max_margin=2.5, margin_on="cosine"),
            r"max_margin: .+ in \[0, 2\], got 2.5",
        ),
        (lambda: fr_losses.MagFace(regularizer=-1), "regularizer: expected a number from 0 on, got -1"),
        (lambda: fr_losses.ElasticFace(margin=28.6), r"margin: expected radians in \[0, pi\), got 28.6"),
        (lambda: fr_losses.ElasticFace("cos", 2.1), r"margin: expected a .+ in \[0, 2\], got 2.1"),
        (lambda: fr_losses.ElasticFace(std=-1), "std: expected a number from 0 on, got -1"),
        (lambda: fr_losses.SphereFace(lambda_min=-1), "lambda_min: expected a number from 0 on, got -1"),
        (lambda: fr_losses.SphereFaceR(0.5), "margin: expected a factor of 1 or more, got 0.5"),
        (lambda: fr_losses.AdaFace(momentum=5), r"momentum: expected a share in \[0, 1\), got 5"),
        (lambda: fr_losses.CombinedMargin(4.0), "multiplier: expected at most 2 - margin / pi, got 4.0"),
        (lambda: fr_losses.MarginSoftmax(label_smoothing=0.1), "label_smoothing: MarginSoftmax has none"),
        (
            lambda: fr_losses.UniFace(num_classes=9, label_smoothing=0.1),
            "label_smoothing: UniFace has none",
        ),
        (lambda: fr_losses.NormDense(9, 2**28), "sub_centers: expected .* from 1 to 238609294 for 9 classes"),
        (lambda: fr_losses.NormDense(0), "units: expected a whole number from 1 on, got 0"),
    ],
)
def test_bad_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_sample_that_is_not_a_number_spoils_neither_others_nor_the_state() -> None:
    loss = fr_losses.CurricularFace()
    cosines, labels, norms = random_batch(8)
    cosines[2] = np.nan
    losses = call(loss, cosines, labels, norms)
    assert np.isnan(losses[2]) and np.isfinite(np.delete(losses, 2)).all()
    assert loss.state.values() == {"t": 0.0}


@pytest.mark.parametrize("kind", [fr_losses.SphereFace, fr_losses.ElasticFace])
def test_batches_are_counted_past_float32(kind: type[fr_losses.MarginLoss], tmp_path: object) -> None:
    """2^24 + 1 is no float32; config and checkpoint hold the number itself."""
    loss = kind(steps=2**24)
    call(loss, *random_batch(0))
    first = call(loss, *random_batch(0))
    assert loss.get_config()["steps"] == 2**24 + 2
    if kind is fr_losses.ElasticFace:
        assert (call(loss, *random_batch(0)) != first).any()
    path = tf.train.Checkpoint(state=loss.state).save(f"{tmp_path}/state")
    fresh = kind()
    tf.train.Checkpoint(state=fresh.state).restore(path).assert_consumed()
    assert fresh.state.values() == loss.state.values()
    with pytest.raises(ValueError, match=r"steps: expected a whole number from 0 on, got 0\.5"):
        kind(steps=0.5)


def test_state_in_a_checkpoint(tmp_path: object) -> None:
    cosines, labels, norms = random_batch(2)
    loss = fr_losses.AdaFace()
    call(loss, cosines, labels, norms)
    path = tf.train.Checkpoint(state=loss.state).save(f"{tmp_path}/state")
    fresh = fr_losses.AdaFace()
    tf.train.Checkpoint(state=fresh.state).restore(path).assert_consumed()
    assert fresh.state.values() == loss.state.values() != fr_losses.AdaFace().state.values()
