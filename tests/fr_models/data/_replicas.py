"""Labels that two logical CPUs get of each batch, joined in order: printed as JSON.

A process of its own, because devices are set up before TensorFlow starts.
"""

from __future__ import annotations

import json

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.fr_models.data.test_pipeline import make  # noqa: E402


def main() -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    pipeline = make()

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        shard = (context.input_pipeline_id, context.num_input_pipelines)
        return pipeline.batches(0, 2, shard=shard, replicas=context.num_replicas_in_sync)

    def joined(distributed: tf.distribute.DistributedDataset) -> list[list[int]]:
        found = []
        for _, labels in distributed:
            parts = strategy.experimental_local_results(labels)
            assert [part.shape[0] for part in parts] == [2, 2]
            found.append(tf.concat(parts, axis=0).numpy().tolist())
        return found

    split = strategy.experimental_distribute_dataset(pipeline.batches(0, 2))
    function = strategy.distribute_datasets_from_function(batches)
    print(json.dumps({"split": joined(split), "function": joined(function)}))


if __name__ == "__main__":
    main()
