"""Who trains in step: one device, the devices of this machine, or those of several.

A step's batch is split in equal parts, in order, first over workers, then over the replicas of each. So the
same samples train in a step on any number of devices, and those of a checkpoint go on where it was.
"""

from __future__ import annotations

import functools
import json
import os
from typing import Any

import tensorflow as tf

from fr_models.data.pipeline import Pipeline
from fr_models.train.teacher import TeacherSource

__all__ = ["batches_of", "is_chief", "strategy_of", "workers"]


@functools.cache  # a second one would number its collective operations from where the first did
def strategy_of(kind: str) -> Any:
    """Return the strategy of a recipe, the same one for all runs of this process.

    Parameters
    ----------
    kind : {"none", "mirrored", "multi_worker"}
        ``mirrored`` takes all GPUs or, where there are none, all logical CPUs; ``multi_worker`` the workers
        that the environment variable ``TF_CONFIG`` lists.

    Raises
    ------
    ValueError
        If ``TF_CONFIG`` is missing or lists no workers.
    """
    if kind == "none":
        return tf.distribute.get_strategy()
    if kind == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        listed = bool(json.loads(os.environ.get("TF_CONFIG", "{}"))["cluster"]["worker"])
    except (KeyError, TypeError, ValueError):
        listed = False
    if not listed:
        raise ValueError(
            "distribution: multi_worker expects the environment variable TF_CONFIG with cluster.worker, task"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def is_chief(strategy: Any) -> bool:
    """Whether this process writes the files: the only one, or the first of several workers."""
    return workers(strategy) == 1 or int(strategy.cluster_resolver.task_id) == 0


def workers(strategy: Any) -> int:
    """Count the processes that train in step."""
    resolver = strategy.cluster_resolver
    return 1 if resolver is None else max(1, len(resolver.cluster_spec().as_dict().get("worker", ())))


def batches_of(
    pipeline: Pipeline, strategy: Any, epoch: int, first_step: int, teacher: TeacherSource | None = None
) -> Any:
    """Give the batches of an epoch from a step on, each replica its part, with what a teacher gives."""

    def with_targets(batches: tf.data.Dataset) -> tf.data.Dataset:
        if teacher is not None:
            return teacher.batches(batches)
        if pipeline.with_embeddings:  # for another stage
            return batches.map(lambda images, labels, _: (images, labels))
        return batches

    if strategy.num_replicas_in_sync == 1:
        return with_targets(pipeline.batches(epoch, first_step))

    def of_worker(context: Any) -> tf.data.Dataset:
        count = context.num_input_pipelines
        shard, replicas = (context.input_pipeline_id, count), context.num_replicas_in_sync // count
        return with_targets(pipeline.batches(epoch, first_step, shard, replicas))

    return strategy.distribute_datasets_from_function(of_worker)
