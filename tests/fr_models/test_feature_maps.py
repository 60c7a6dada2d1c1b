"""Which layers of two networks can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fr_models import create, match_layers
from tensorflow import keras


def tower(channels: int, repeats: int) -> Any:
    image = keras.Input((16, 16, 3), name="image")
    x = image
    for stack in range(2):
        x = keras.layers.Conv2D(channels * (stack + 1), 3, strides=2, padding="same", name=f"s{stack}_down")(
            x
        )
        for block in range(repeats):
            y = keras.layers.Conv2D(channels * (stack + 1), 3, padding="same", name=f"s{stack}_{block}_conv")(
                x
            )
            x = keras.layers.Add(name=f"s{stack}_{block}_add")([x, y])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(8, name="embedding")(x))


def test_equal_channels() -> None:
    table = match_layers(tower(4, 4), tower(4, 2))
    assert table.equal_channels.all() and table.difference.is_monotonic_increasing
    found = table.set_index("student").teacher
    assert found["embedding"] == "embedding" and found["s1_1_add"] == "s1_3_add"
    assert found["s0_0_add"] == "s0_0_add"
    assert set(table.student) == {layer.name for layer in tower(4, 2).layers} - {"image"}
    row = table.set_index("student").loc["s1_1_add"]
    assert row.student_shape == row.teacher_shape == (4, 4, 8)
    assert row.student_depth == pytest.approx(10 / 12) and row.teacher_depth == pytest.approx(18 / 20)


def test_other_channels_come_last() -> None:
    table = match_layers(tower(6, 3), tower(4, 2))
    found = table.set_index("student")
    assert found.loc["embedding"].equal_channels and not found.loc["s0_1_add"].equal_channels
    assert found.loc["s0_1_add"].teacher == "s0_2_add"
    assert list(table.equal_channels) == sorted(table.equal_channels, reverse=True)


@pytest.mark.parametrize(("teacher", "student"), [((4, 4), (4, 2)), ((4, 2), (4, 4)), ((6, 3), (4, 2))])
def test_pairs_are_one_to_one(teacher: tuple[int, int], student: tuple[int, int]) -> None:
    table = match_layers(tower(*teacher), tower(*student))
    assert table.student.is_unique and table.teacher.is_unique
    np.testing.assert_allclose(table.difference, abs(table.student_depth - table.teacher_depth))
    for _, rows in table.groupby("equal_channels"):
        assert rows.difference.is_monotonic_increasing


def test_no_models() -> None:
    with pytest.raises(ValueError, match=r"^teacher: expected a Keras model, got 3$"):
        match_layers(3, tower(4, 2))


def test_iresnets() -> None:
    table = match_layers(create("r34", activation="relu"), create("r18"))
    found = table.set_index("student").teacher
    for stack, blocks in enumerate((3, 4, 6, 3), start=1):
        assert found[f"stack{stack}_block2_add"] == f"stack{stack}_block{blocks}_add"


def test_a_model_that_is_no_graph() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="own")
            self.dense = keras.layers.Dense(2, name="dense")

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

    with pytest.raises(ValueError, match=r"^own: expected a graph of layers with names of their own$"):
        match_layers(Own(), tower(4, 1))


def test_a_number_among_the_inputs() -> None:
    """Keras 2 writes it where names of layers stand."""
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(3, name="last")(1 - image))
    assert "last" in set(match_layers(model, model).student)
