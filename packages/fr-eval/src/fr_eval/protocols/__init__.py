"""Protocols: which pairs are compared, which images make a template, who is enrolled where."""

from fr_eval.protocols.bins import BinSet, read_bin, write_bin
from fr_eval.protocols.folders import ImageFolder, list_images
from fr_eval.protocols.ijb import IjbLayout
from fr_eval.protocols.pairs import PairList, read_pairs

__all__ = [
    "BinSet",
    "IjbLayout",
    "ImageFolder",
    "PairList",
    "list_images",
    "read_bin",
    "read_pairs",
    "write_bin",
]
