"""Images of people to train on: formats, batches, augmentation, synthetic faces."""
