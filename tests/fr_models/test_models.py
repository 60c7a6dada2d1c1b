"""Every registered model: a new one joins by being registered.

Parameter counts are those of the published definitions; numbers of the reference's table were measured on
Keras_insightface.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fr_models import Options, create, describe, list_models
from fr_models._builder import Builder
from fr_models._cost import multiply_adds
from fr_models._registry import find
from fr_models._table import from_code, rows
from tensorflow import keras

# Deeper or wider forms of a model that runs here in full, with its layers: they are only built.
BUILT = (
    *("r34", "r50", "r100", "r101", "r152", "r200", "se_r34", "se_r50", "se_r100", "se_r101"),
    *("ghostnet_100", "ghostnetv2_130", "ghostfacenetv1_s1", "ghostfacenetv1_s2", "ghostfacenetv2_s1"),
    *("mixfacenet_s", "mixfacenet_m", "shuffle_mixfacenet_s", "shuffle_mixfacenet_m"),
    *("edgeface_xs", "edgeface_s", "edgeface_base", "vit_s", "vit_b"),
    *("resnet101", "resnet152", "resnet101v2", "resnet152v2", "resnext101", "se_resnext50", "se_resnext101"),
    *("resnest101", "mobilenet_m1", *(f"efficientnetb{b}" for b in range(1, 8))),
    *(f"efficientnetv2{size}" for size in ("b1", "b2", "b3", "t", "s", "m", "l")),
)
# Models whose test takes more than some seconds.
LARGE = (
    *("mbf", "se_r18", "ghostnet", "ghostfacenetv2_s2", "mixfacenet_xs", "shuffle_mixfacenet_xs", "vargface"),
    *("resnet50", "resnet50v2", "resnext50", "resnest50", "botnet50", "swin_t"),
    *("mobilenetv3_large", "efficientnetv2b0"),
)
# Models that have all kinds of layers between them.
MIXED = (
    *("mobilefacenet", "ghostnetv2", "mobilenetv3_small", "edgeface_xxs", "vit_t"),
    *("shuffle_mixfacenet_xs", "vargface", "resnest50", "botnet50", "swin_t"),
)

# name, head, other arguments -> parameters with statistics
COUNTS = {
    ("r18", "GDC", "relu"): 11_480_000,
    ("r18", "E", "relu"): 24_037_824,
    ("r18", "GAP", "relu"): 11_454_912,
    ("r34", "GDC", "relu"): 21_603_008,
    ("r34", "E", "relu"): 34_160_832,
    ("r50", "GDC", "relu"): 31_064_768,
    ("r50", "E", "relu"): 43_622_592,
    ("r100", "GDC", "relu"): 52_656_320,
    ("r101", "GDC", "relu"): 41_709_248,
    ("se_r34", "GDC", "relu"): 21_760_192,
    ("se_r50", "GDC", "relu"): 31_287_488,
    ("se_r100", "GDC", "relu"): 53_028_544,
    ("se_r34", "GAP", "relu"): 21_735_104,
    ("mobilefacenet", "GDC", None): 939_904,
    ("mobilefacenet", "E", None): 4_079_360,
    ("mobilefacenet", "GAP", None): 933_632,
    ("se_mobilefacenet", "GDC", None): 964_744,
    ("se_mobilefacenet", "E", None): 4_104_200,
    ("se_mobilefacenet", "GAP", None): 958_472,
    ("ghostnet", "GDC", None): 4_056_312,
    ("ghostnet", "E", None): 9_145_208,
    ("ghostnet", "GAP", None): 4_045_688,
    ("vargface", "GDC", None): 3_554_016,
    ("vargface", "E", None): 3_552_992,
    ("vargface", "GAP", None): 3_552_992,
    ("mobilenet", "GDC", None): 3_768_512,
    ("mobilenet", "E", None): 7_953_600,
    ("mobilenet", "GAP", None): 3_759_296,
    ("mobilenetv2", "GDC", None): 2_940_992,
    ("mobilenetv2", "E", None): 12_750_912,
    ("mobilenetv2", "GAP", None): 2_920_512,
    ("mobilenetv3_small", "GDC", None): 1_247_600,
    ("mobilenetv3_small", "E", None): 5_662_064,
    ("mobilenetv3_small", "GAP", None): 1_238_384,
    ("mobilenetv3_large", "GDC", None): 3_509_120,
    ("mobilenetv3_large", "E", None): 10_866_560,
    ("mobilenetv3_large", "GAP", None): 3_493_760,
    ("resnet50", "GDC", None): 24_679_296,
    ("resnet50", "E", None): 40_375_168,
    ("resnet50", "GAP", None): 24_646_528,
    ("resnet50v2", "GDC", None): 24_656_384,
    ("resnet50v2", "E", None): 40_352_256,
    ("resnet50v2", "GAP", None): 24_623_616,
    ("resnet101", "GDC", None): 43_749_760,
    ("resnet101v2", "GDC", None): 43_718_144,
    ("resnet152", "GDC", None): 59_462_528,
    ("resnet152v2", "GDC", None): 59_423_232,
    # keras.applications without a classifier, and the head
    ("efficientnetb1", "GDC", None): 6_575_232 + 683_008,
    ("efficientnetb2", "GDC", None): 7_768_562 + 751_104,
    ("efficientnetb4", "GDC", None): 17_673_816 + 955_392,
    ("efficientnetb5", "GDC", None): 28_513_520 + 1_091_584,
    ("efficientnetb6", "GDC", None): 40_960_136 + 1_227_776,
    ("efficientnetb7", "GDC", None): 64_097_680 + 1_363_968,
    ("efficientnetv2b1", "GDC", None): 6_931_124 + 683_008,
    ("efficientnetv2b2", "GDC", None): 8_769_374 + 751_104,
    ("efficientnetv2m", "GDC", None): 53_150_388 + 683_008,
    ("efficientnetv2l", "GDC", None): 117_746_848 + 683_008,
}


@pytest.mark.usefixtures("of_zeros")
@pytest.mark.parametrize(("name", "head", "activation"), COUNTS)
def test_published_parameters(name: str, head: str, activation: str | None) -> None:
    if (head, activation) == ("GDC", None):
        parameters = describe(name).parameters  # `test_contract` or `test_builds` holds it to the model
    else:
        parameters = create(name, head=head, activation=activation).count_params()
    assert parameters == COUNTS[name, head, activation]


@pytest.mark.parametrize(("embedding_dim", "parameters"), [(256, 3_893_952), (512, 4_026_048)])
def test_mobilenet_with_pointwise(embedding_dim: int, parameters: int) -> None:
    model = create("mobilenet", embedding_dim=embedding_dim, pointwise=512)
    assert model.count_params() == parameters


def test_r50_with_prelu_and_max_pool_shortcut() -> None:
    head = 49 * 512 + 4 * 512 + 512 * 512 + 4 * 512
    assert create("r50", use_max_pool=True).count_params() - head == 30_774_976


def contracts() -> list[object]:
    """Each model in float32, and each kind of layer in mixed precision."""
    pairs = [(name, "float32") for name in list_models() if name not in BUILT]
    pairs += [(name, "mixed_bfloat16") for name in MIXED]
    return [pytest.param(*pair, marks=pytest.mark.slow) if pair[0] in LARGE else pair for pair in pairs]


@pytest.mark.parametrize(("name", "policy"), contracts())
def test_contract(name: str, policy: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """It runs forward and backward, and its file gives the same numbers, in each precision."""
    images = rng.normal(size=(2, 112, 112, 3)).astype("float32")
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = create(name)
        assert model.count_params() == describe(name).parameters
        with tf.GradientTape() as tape:
            embeddings = model(images, training=True)
            loss = tf.reduce_sum(tf.square(embeddings - 1.0))
        gradients = tape.gradient(loss, model.trainable_variables)
        assert embeddings.dtype == "float32" and embeddings.shape == (2, 512)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            assert gradient is not None and np.all(np.isfinite(gradient)), variable.name
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
        np.testing.assert_array_equal(again(images, training=False), model(images, training=False))
    finally:
        keras.mixed_precision.set_global_policy("float32")
        keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.usefixtures("of_zeros")
@pytest.mark.parametrize("name", BUILT)
def test_builds(name: str) -> None:
    model = create(name)
    assert model.count_params() == describe(name).parameters
    assert model.output_shape == (None, 512) and model.output.dtype == "float32"
    keras.backend.clear_session()


@pytest.mark.parametrize("name", list_models())
def test_refuses_an_input_that_its_strides_use_up(name: str) -> None:
    least = find(name)[0].least_size
    with pytest.raises(ValueError, match=rf"^{name}: expected an input_shape .* from {least} pixels on, got"):
        create(name, input_shape=(least - 1, least, 3))


def test_unknown_names_get_advice() -> None:
    with pytest.raises(ValueError, match=r"there is no 'R50'; did you mean r50"):
        create("R50")
    with pytest.raises(ValueError, match=r"there is no 'qqqqqqqqqq'; list_models\(\) names all"):
        create("qqqqqqqqqq")


def test_refuses_options_of_other_models() -> None:
    with pytest.raises(
        ValueError, match=r"^padding: expected one of same, explicit, trailing, got 'reflect'"
    ):
        create("r18", padding="reflect")
    with pytest.raises(ValueError, match=r"^dropout: expected a share in \[0, 1\), got 1"):
        create("r18", dropout=1)


def test_table_of_models() -> None:
    """``python -m fr_models._table`` writes what is missing here."""
    assert from_code(rows()) == list(rows().values())


@pytest.mark.parametrize("name", ["mobilefacenet", "edgeface_xxs", "vargface"])
def test_multiply_adds_of_the_table(name: str) -> None:
    """But for layer normalisation, which Keras 2 and Keras 3 make of other operations."""
    assert multiply_adds(create(name)) == pytest.approx(describe(name).multiply_adds, rel=1e-4)


def test_describe() -> None:
    description = describe("r18")
    assert description.parameters == create("r18").count_params()
    assert 2.5e9 < description.multiply_adds < 2.7e9  # insightface prints 2.62 GFLOPs
    assert description.card.paper.url == "https://arxiv.org/abs/1801.07698"


@pytest.mark.parametrize(
    ("padding", "expected"), [("same", [[4, 2], [2, 1]]), ("explicit", [[1, 2], [2, 4]])]
)
def test_padding_of_the_seeds_example(padding: str, expected: list[list[int]]) -> None:
    """A 3x3 image of ones under a 2x2 kernel of ones, every second place: how many pixels each sees."""
    inputs = keras.Input((3, 3, 1))
    build = Builder(Options(padding=padding), keras.initializers.Ones)
    model = keras.Model(inputs, build.conv(inputs, 1, 2, "conv", strides=2))
    np.testing.assert_array_equal(model(np.ones((1, 3, 3, 1), "float32"))[0, :, :, 0], expected)
