"""Real faces and networks: the numbers that independent implementations measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fr_eval import EmbeddingSet
from fr_eval.cli import main
from fr_eval.protocols.pairs import read_pairs
from fr_native import pair_scores

MOBILEFACENET = ("--size", "112", "--scale", "0.0078125", "--offset", "127.5", "--colour", "RGB")
FR_FEATURE = ("--size", "112", "--scale", "0.0078125", "--offset", "127", "--colour", "RGB")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["fr-eval", *map(str, arguments)])
    main_exit = None
    try:
        main()
    except SystemExit as end:
        main_exit = end.code
    assert main_exit in (0, None)


def result(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


@pytest.fixture
def reference(shared_data: Path) -> dict[str, dict[str, float]]:
    return result(shared_data / "protocols" / "lfw_ijb" / "reference_results.json")


def ijb(monkeypatch: pytest.MonkeyPatch, shared_data: Path, output: Path, *options: str) -> dict[str, Any]:
    embeddings = shared_data / "embeddings" / "lfw_mobilefacenet192.npz"
    folder = shared_data / "protocols" / "lfw_ijb"
    run(monkeypatch, "ijb", folder, "--prefix", "lfw", "--embeddings", embeddings, "--json", output, *options)
    return result(output)


def test_ijb_verification(
    monkeypatch: pytest.MonkeyPatch, shared_data: Path, tmp_path: Path, reference: dict[str, dict[str, float]]
) -> None:
    """The reference accepts strictly above the first impostor over the target: our rule ``max_tar``.

    Under the default rule the threshold is an impostor score; at FAR 1e-4 two genuine pairs lie in the gap.
    """
    expected = reference["1:1"]
    found = ijb(monkeypatch, shared_data, tmp_path / "11.json", "--task", "11", "--threshold-rule", "max_tar")
    assert found["auc"] == pytest.approx(expected["auc"], abs=1e-12)
    assert found["eer"]["value"] == pytest.approx(expected["eer"], abs=1e-12)
    tar = {point["far"]: point["tar"] for point in found["tar_at_far"]}
    for exponent in (2, 3, 4):
        assert tar[10.0**-exponent] == pytest.approx(expected[f"tar_1e{exponent}"], abs=1e-12)
    default = ijb(monkeypatch, shared_data, tmp_path / "11.json", "--task", "11")
    tar = {point["far"]: point["tar"] for point in default["tar_at_far"]}
    assert tar[1e-4] == pytest.approx(expected["tar_1e4"] - 2 / found["n_genuine"], abs=1e-12)


def test_ijb_identification(
    monkeypatch: pytest.MonkeyPatch, shared_data: Path, tmp_path: Path, reference: dict[str, dict[str, float]]
) -> None:
    found = ijb(monkeypatch, shared_data, tmp_path / "1n.json", "--task", "1n", "--threshold-rule", "max_tar")
    for name, gallery in found["galleries"].items():
        expected = reference[f"1:N {name}"]
        assert (gallery["n_mated"], gallery["n_nonmated"]) == (expected["n_mated"], expected["n_nonmated"])
        for rank in ("1", "5", "10"):
            assert gallery["rank"][rank] == expected[f"rank{rank}"]
        for point in gallery["tpir_at_fpir"][:2]:
            assert point["tpir"] == expected[f"TPIR@FPIR={point['fpir']:g}"]
    closed = reference["1:N G1+G2 closed set"]
    assert found["cmc_pooled"] == {rank: closed[f"rank{rank}"] for rank in ("1", "5", "10")}


def test_lfw(monkeypatch: pytest.MonkeyPatch, shared_data: Path, tmp_path: Path) -> None:
    """An independent implementation measured 0.9925."""
    embeddings = shared_data / "embeddings" / "lfw_mobilefacenet192.npz"
    pairs, output = shared_data / "lfw" / "pairs.txt", tmp_path / "v.json"
    run(monkeypatch, "verify", "--embeddings", embeddings, "--pairs", pairs, "--json", output)
    verified = result(output)
    assert verified["accuracy_10fold"]["mean"] == pytest.approx(0.9925, abs=0.0005)
    assert verified["eer"]["value"] == pytest.approx(0.0080, abs=0.0005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "preprocessing", "flip", "column"),
    [
        ("MobileFaceNet.tflite", MOBILEFACENET, (), "cos_mobilefacenet192"),
        ("MobileFaceNet.tflite", MOBILEFACENET, ("--flip",), "cos_mobilefacenet192_flip"),
        ("fr_feature_512.onnx", FR_FEATURE, (), "cos_fr_feature512"),
    ],
)
def test_scores_of_a_network(
    monkeypatch: pytest.MonkeyPatch,
    shared_data: Path,
    tmp_path: Path,
    model: str,
    preprocessing: tuple[str, ...],
    flip: tuple[str, ...],
    column: str,
) -> None:
    """Of one pair in twenty, those of an independent implementation; a .bin of the images gives the same."""
    lfw, every = shared_data / "lfw", slice(None, None, 20)
    pairs, faces, network = tmp_path / "pairs.txt", tmp_path / "faces", shared_data / "models" / model
    lines = (lfw / "pairs_ann.txt").read_text().splitlines()[every]
    pairs.write_text("\n".join(lines))
    for name in {name for line in lines for name in line.split()[1:]}:
        (faces / name).parent.mkdir(parents=True, exist_ok=True)
        (faces / name).symlink_to(lfw / "aligned112" / name)
    run(monkeypatch, "embed", faces, "--model", network, *preprocessing, *flip, "-o", tmp_path / "set.npz")
    whole, pair_list = EmbeddingSet.load(tmp_path / "set.npz"), read_pairs(pairs)
    first, second = whole.rows_of(pair_list.first), whole.rows_of(pair_list.second)
    expected = pd.read_csv(lfw / "pair_scores.csv")[column].to_numpy()[every]
    np.testing.assert_allclose(pair_scores(whole.embeddings, first, second), expected, atol=2e-5)

    run(
        monkeypatch,
        "verify",
        "--embeddings",
        tmp_path / "set.npz",
        "--pairs",
        pairs,
        "--json",
        tmp_path / "v.json",
    )
    run(monkeypatch, "bin", "build", faces, "--pairs", pairs, "-o", tmp_path / "lfw.bin")
    run(
        monkeypatch, "bin", "evaluate", tmp_path / "lfw.bin", "--model", network, *preprocessing, *flip,
        "--json", tmp_path / "b.json",
    )  # fmt: skip
    verified, evaluated = result(tmp_path / "v.json"), result(tmp_path / "b.json")
    assert evaluated["accuracy_10fold"] == verified["accuracy_10fold"]
    assert evaluated["tar_at_far"] == verified["tar_at_far"]
