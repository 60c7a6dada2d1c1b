"""Variational prototypes against a plain float64 loop: what is mixed, from when on, for how long."""

from __future__ import annotations

import fr_losses
import numpy as np
import pytest
import tensorflow as tf

from tests.fr_losses._reference import cross_entropy

CLASSES, WIDTH = 6, 4


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.sqrt(float(row @ row))


class Prototypes:
    """The last embedding of each class, the step it was seen in, and rows mixed with it."""

    def __init__(self, weight: float, start: int, max_age: int) -> None:
        self.weight, self.start, self.max_age = weight, start, max_age
        self.memory: dict[int, tuple[int, np.ndarray]] = {}
        self.step = 0

    def mixed(self, rows: np.ndarray) -> np.ndarray:
        result = [unit(row) for row in rows]
        for number, (seen, embedding) in self.memory.items():
            if self.step >= self.start and self.step - seen <= self.max_age:
                result[number] = (1 - self.weight) * result[number] + self.weight * embedding
        return np.array(result)

    def remember(self, embeddings: np.ndarray, labels: np.ndarray) -> None:
        for embedding, label in zip(embeddings, labels, strict=True):
            self.memory[int(label)] = self.step, unit(embedding)
        self.step += 1


@pytest.mark.parametrize(("weight", "start", "max_age"), [(0.3, 2, 1), (0.15, 0, 0), (0.5, 3, 10), (0, 0, 9)])
def test_numbers(weight: float, start: int, max_age: int) -> None:
    """Over some steps, with classes twice in a batch (the last counts), never and again."""
    rng = np.random.default_rng(0)
    layer = fr_losses.VariationalPrototypes(weight, start, max_age)
    layer.build((CLASSES, WIDTH))
    plain = Prototypes(weight, start, max_age)
    for labels in ([0, 1], [1, 1], [2, 0], [3, 3], [0, 5], [2, 2], [4, 1]):
        rows, embeddings = rng.normal(size=(CLASSES, WIDTH)), 3 * rng.normal(size=(2, WIDTH))
        chosen = rng.permutation(CLASSES)[:4]
        got = layer(tf.constant(rows[chosen], tf.float32), tf.constant(chosen, tf.int32))
        np.testing.assert_allclose(got, plain.mixed(rows)[chosen], rtol=1e-5, atol=1e-6)
        layer.remember(tf.constant(embeddings, tf.float32), tf.constant(labels, tf.int32))
        plain.remember(embeddings, np.array(labels))


def test_losses_of_a_head() -> None:
    """CosFace of the mixed rows; nothing is remembered outside of training."""
    rng = np.random.default_rng(1)
    prototypes = fr_losses.VariationalPrototypes(0.4, start=1, max_age=1)
    head = fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.CosFace(scale=8.0), prototypes=prototypes)
    head.build((None, WIDTH))
    plain = Prototypes(0.4, start=1, max_age=1)
    rows = head.class_weights.numpy().astype(np.float64)
    for labels in ([0, 1, 2], [1, 4, 5], [0, 0, 4], [2, 3, 3]):
        x = rng.normal(size=(3, WIDTH))
        wanted = []
        for embedding, label in zip(x, labels, strict=True):
            logits = [8.0 * float(unit(embedding) @ unit(row)) for row in plain.mixed(rows)]
            logits[label] -= 8.0 * 0.35
            wanted.append(cross_entropy(logits, label))
        for training in (False, True):
            got = head(tf.constant(x, tf.float32), tf.constant(labels), training=training)
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
        plain.remember(x, np.array(labels))


def test_embeddings_that_are_not_finite_are_not_remembered() -> None:
    prototypes = fr_losses.VariationalPrototypes(start=0)
    prototypes.build((CLASSES, WIDTH))
    prototypes.remember(tf.ones((2, WIDTH)), tf.constant([1, 2]))
    before = [np.array(weight.numpy()) for weight in (prototypes.memory, prototypes.seen)]
    prototypes.remember(tf.constant([[np.nan] * WIDTH, [np.inf] * WIDTH]), tf.constant([2, 3]))
    for weight, held in zip((prototypes.memory, prototypes.seen), before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), held)
    assert int(prototypes.steps.numpy()) == 2
