"""Images of people to train on: formats, batches, augmentation, synthetic faces."""

from fr_models.data.dataset import Dataset
from fr_models.data.formats import open_dataset

__all__ = ["Dataset", "open_dataset"]
