"""What insightface's IResNets and MobileFaceNets call the layers that we name otherwise."""

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
IN_MOBILE_BLOCK = (
    ("expand_conv", "expand_bn", "expand_act"),
    ("depthwise", "depthwise_bn", "depthwise_act"),
    ("project", "project_bn"),
)
MOBILE_STACKS = {
    "2": (1, 0),
    "3": (1, 1),
    "4": (2, 0),
    "5": (3, 0),
    "6": (4, 0),
    "7": (5, 0),
}  # blocks before
MOBILE_PARTS = {
    "layers.0": ("stem_conv", "stem_bn", "stem_act"),
    "layers.1": ("stem_depthwise", "stem_depthwise_bn", "stem_depthwise_act"),
    "conv_sep": ("head_pointwise", "head_pointwise_bn", "head_pointwise_act"),
    "features.layers.0": ("head_depthwise", "head_depthwise_bn"),
}
MOBILE_HEAD = {"features.layers.2": "head_dense", "features.layers.3": "pre_embedding"}
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
    return TORCH.get(name) or _of_mobilefacenet(name) or name


def from_mxnet(name: str, kind: str) -> str:
    """Our name of a layer of the MXNet networks, or the name itself; ``fc1`` is a BN in most heads."""
    block = re.fullmatch(r"stage(\d+)_unit(\d+)_(.+)", name)
    if block and block[3] in IN_BLOCK:
        return f"stack{block[1]}_block{block[2]}_{IN_BLOCK[block[3]]}"
    if name == "fc1":
        return "pre_embedding" if kind == "bn" else "head_dense"
    return MXNET.get(name, name)


def _of_mobilefacenet(name: str) -> str | None:
    """Our name of a layer of arcface_torch's MobileFaceNet, if it is one."""
    if name in MOBILE_HEAD:
        return MOBILE_HEAD[name]
    block = re.fullmatch(r"layers\.([2-7])(?:\.layers\.(\d+))?\.layers\.([0-2])\.layers\.([0-2])", name)
    if block:
        stack, before = MOBILE_STACKS[block[1]]
        prefix = f"stack{stack}_block{before + int(block[2] or 0) + 1}_"
        return _nth(IN_MOBILE_BLOCK[int(block[3])], block[4], prefix)
    part, _, number = name.rpartition(".layers.")
    return _nth(MOBILE_PARTS[part], number) if part in MOBILE_PARTS else None


def _nth(names: tuple[str, ...], number: str, prefix: str = "") -> str | None:
    return prefix + names[int(number)] if number.isdigit() and int(number) < len(names) else None
