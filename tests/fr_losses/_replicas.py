"""Train heads on several logical CPUs: ``python _replicas.py COUNT FOLDER`` prints histories as JSON.

A process of its own, because devices are set up before TensorFlow starts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

COUNT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * COUNT)

import fr_losses  # noqa: E402
from tensorflow import keras  # noqa: E402

from tests.fr_losses._reference import CASES  # noqa: E402
from tests.fr_losses.test_heads import CLASSES, HEADS, backbone, people  # noqa: E402

SHARED_OUT = ("curricularface",) if COUNT == 4 else ("curricularface", "sphereface", "uniface")
MIRRORED = ("stateful", "sub-centres")


def partial(name: str, rate: float, **head: Any) -> Any:
    keras.utils.set_random_seed(3)
    classes = CLASSES + 1  # which no number of replicas divides
    return fr_losses.PartialFC(classes, CASES[name].make(classes), rate=rate, **head)


def main() -> None:
    images, labels = people()
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(32)
    heads = {f"partial {name}": (lambda name=name: partial(name, 1.0)) for name in SHARED_OUT}
    heads |= {"partial, sampled": lambda: partial("arcface", 0.9)}
    if COUNT < 4:
        heads |= {"partial, 2 sub-centers": lambda: partial("arcface", 1.0, sub_centers=2)}
        heads |= {name: HEADS[name] for name in MIRRORED}
    devices = [f"CPU:{number}" for number in range(COUNT)]
    strategy = tf.distribute.MirroredStrategy(devices) if COUNT > 1 else tf.distribute.get_strategy()
    results = {}
    for name, head in heads.items():
        with strategy.scope():
            model = fr_losses.TrainingModel(backbone(), head())
            model.compile(keras.optimizers.SGD(0.05, momentum=0.9))
        history = model.fit(batches, epochs=1, verbose=0, shuffle=False).history
        results[name] = [history["loss"][0], history["target_cosine"][0], *model.evaluate(batches, verbose=0)]
        if name == "partial, sampled":
            model.save(FOLDER / f"{COUNT}.keras")
            path = tf.train.Checkpoint(model=model).save(str(FOLDER / f"state_{COUNT}"))
            held = dict(tf.train.list_variables(path)).values()
            blocks = [shape for shape in held if shape[1:] == [model.backbone.output_shape[1]]]
            results["rows"] = [sum(shape[0] for shape in blocks)]
            for count in (1, 2):
                path = FOLDER / f"{count}.keras"
                if path.exists():
                    with strategy.scope():
                        again = keras.models.load_model(path)
                    results[f"loaded {count}"] = list(again.evaluate(batches, verbose=0))
    print("RESULTS", json.dumps(results))


main()
