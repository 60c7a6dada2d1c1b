"""What insightface's IResNets call the layers that we name otherwise."""

from __future__ import annotations

import re

IN_BLOCK = {
    "bn1": "1_bn",
    "conv1": "1_conv",
    "bn2": "2_bn",
    "prelu": "2_act",
    "relu1": "2_act",
    "conv2": "2_conv",
    "bn3": "3_bn",
    "downsample.0": "shortcut_conv",
    "conv1sc": "shortcut_conv",
    "downsample.1": "shortcut_bn",
    "sc": "shortcut_bn",
}
TORCH = {
    "conv1": "stem_conv",
    "bn1": "stem_bn",
    "prelu": "stem_act",
    "bn2": "head_bn",
    "fc": "head_dense",
    "features": "pre_embedding",
}
MXNET = {
    "conv0": "stem_conv",
    "bn0": "stem_bn",
    "relu0": "stem_act",
    "bn1": "head_bn",
    "pre_fc1": "head_dense",
}


def from_torch(name: str) -> str:
    """Our name of a layer of arcface_torch, or the name itself."""
    block = re.fullmatch(r"layer(\d+)\.(\d+)\.(.+)", name)
    if block and block[3] in IN_BLOCK:
        return f"stack{block[1]}_block{int(block[2]) + 1}_{IN_BLOCK[block[3]]}"
    return TORCH.get(name, name)


def from_mxnet(name: str, kind: str) -> str:
    """Our name of a layer of the MXNet networks, or the name itself; ``fc1`` is a BN in most heads."""
    block = re.fullmatch(r"stage(\d+)_unit(\d+)_(.+)", name)
    if block and block[3] in IN_BLOCK:
        return f"stack{block[1]}_block{block[2]}_{IN_BLOCK[block[3]]}"
    if name == "fc1":
        return "pre_embedding" if kind == "bn" else "head_dense"
    return MXNET.get(name, name)
