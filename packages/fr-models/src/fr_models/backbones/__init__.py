"""Backbones: a file a family, a registered function a model."""
