"""The command line from end to end on small made-up faces: files, numbers, one line on bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import EmbeddingSet
from fr_eval.cli import main
from fr_eval.embed import embed_folder
from fr_eval.images import read_image

from tests.fr_eval.faces import pixel_embedder, write_faces, write_lfw_pairs, write_onnx
from tests.fr_eval.ijb_files import write_layout

VERIFICATION_KEYS = {"n_genuine", "n_impostor", "max_accuracy", "eer", "auc", "tar_at_far"}
PROVENANCE_KEYS = {"inputs", "settings", "versions"}


class Result:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["fr-eval", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def files(tmp_path: Path) -> Path:
    names = write_faces(tmp_path / "faces")
    write_lfw_pairs(tmp_path / "pairs.txt")
    write_onnx(tmp_path / "net.onnx")
    write_layout(tmp_path / "ijb", names)
    embed_folder(tmp_path / "faces", pixel_embedder, tmp_path / "set.npz")
    return tmp_path


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def fails(result: Result, *words: str) -> None:
    assert result.code == 2, result
    assert len(result.err.strip().splitlines()) == 1 and result.err.startswith("fr-eval: "), result.err
    for word in words:
        assert word in result.err


def test_allpairs_counts_every_pair(run: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows, labels = rng.standard_normal((60, 16)).astype(np.float32), rng.integers(0, 12, 60)
    EmbeddingSet(rows, labels=labels).save(tmp_path / "set.npz")
    result = run("allpairs", "--embeddings", "set.npz", "--far", "0.1,0.01", "--json", "all.json")
    assert result.code == 0 and "All pairs" in result.out
    stored = json.loads((tmp_path / "all.json").read_text())
    first, second = np.triu_indices(60, 1)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scores, same = (unit[first] * unit[second]).sum(axis=1), labels[first] == labels[second]
    assert (stored["n_genuine"], stored["n_impostor"]) == (same.sum(), (~same).sum())
    for point in stored["tar_at_far"]:
        allowed = int(point["far"] * (~same).sum())
        assert point["false_accepts"] == allowed
        assert point["threshold"] == pytest.approx(np.sort(scores[~same])[-allowed], abs=1e-6)
        assert point["tar"] == pytest.approx((scores[same] >= point["threshold"] - 1e-6).mean())
    assert stored.keys() >= PROVENANCE_KEYS
    EmbeddingSet(rows).save(tmp_path / "bare.npz")
    refused = run("allpairs", "--embeddings", "bare.npz")
    assert refused.code == 2 and "no labels" in refused.err
    refused = run("allpairs", "--embeddings", "set.npz", "--far", "1.5")
    assert refused.code == 2 and "--far: expected a rate from 0 to 1, got 1.5" in refused.err
    EmbeddingSet(rows, labels=np.arange(60)).save(tmp_path / "singles.npz")
    fails(run("allpairs", "--embeddings", "singles.npz"), "singles.npz: every label is there once")
    (tmp_path / "text.npz").write_text("no checkpoint")
    refused = run("allpairs", "--embeddings", "set.npz", "--checkpoint", "text.npz")
    assert refused.err.startswith("fr-eval: text.npz: not a whole file of all_pairs counts")


def test_embed_and_verify(run: Any, files: Path) -> None:
    result = run("embed", "faces", "--model", "net.onnx", "-o", "new.npz", "--json", "embed.json")
    assert result.code == 0 and "18 images of 6 identities, 48 dimensions" in result.out
    assert read(files / "embed.json")["settings"]["preprocessing"]["colour"] == "RGB"
    result = run(
        "verify", "--embeddings", "new.npz", "--pairs", "pairs.txt", "--far", "0.5,0.1", "--pca", "3",
        "--json", "out/verify.json", "--plots", "plots",
    )  # fmt: skip
    assert result.code == 0 and "3-fold accuracy" in result.out
    figures = read(files / "out" / "verify.json")
    assert {*VERIFICATION_KEYS, *PROVENANCE_KEYS, "accuracy_3fold", "accuracy_3fold_pca"} <= set(figures)
    assert (figures["n_genuine"], figures["n_impostor"]) == (6, 6)
    assert [point["far"] for point in figures["tar_at_far"]] == [0.5, 0.1]
    assert figures["auc"] == 1.0 and figures["accuracy_3fold"]["mean"] > 0.9
    assert len(figures["inputs"]["embeddings"]["sha256"]) == 64
    assert {path.name for path in (files / "plots").iterdir()} == {"roc.png", "det.png", "scores.png"}


def test_threshold_rules_and_grid_reach_the_result(run: Any, files: Path) -> None:
    for rule in ("conservative", "max_tar", "nearest", "linear", "ijb"):
        arguments = ("--embeddings", "set.npz", "--pairs", "pairs.txt", "--threshold-rule", rule)
        assert run("verify", *arguments, "--grid", "insightface", "--json", "v.json").code == 0
        figures = read(files / "v.json")
        assert {point["rule"] for point in figures["tar_at_far"]} == {rule}
        assert figures["settings"]["threshold_rule"] == rule and figures["settings"]["grid"] == "insightface"


def test_bin(run: Any, files: Path) -> None:
    assert run("bin", "build", "faces", "--pairs", "pairs.txt", "-o", "set.bin").code == 0
    evaluated = run("bin", "evaluate", "set.bin", "--model", "net.onnx", "--folds", "3", "--json", "bin.json")
    assert evaluated.code == 0
    run("embed", "faces", "--model", "net.onnx", "-o", "new.npz")
    run("verify", "--embeddings", "new.npz", "--pairs", "pairs.txt", "--json", "verify.json")
    for key in ("auc", "eer", "tar_at_far", "max_accuracy", "accuracy_3fold"):
        assert read(files / "bin.json")[key] == read(files / "verify.json")[key]
    assert run("bin", "extract", "set.bin", "unpacked").code == 0
    assert run("bin", "build", "unpacked", "--pairs", "unpacked/pairs.txt", "-o", "again.bin").code == 0
    assert (files / "again.bin").read_bytes() == (files / "set.bin").read_bytes()
    fails(run("bin", "extract", "set.bin", "unpacked"), "not empty")


def test_explicit_preprocessing(run: Any, files: Path) -> None:
    (files / "net.json").unlink()
    embed = ("embed", "faces", "--model", "net.onnx", "-o", "new.npz")
    fails(run(*embed), "net.json", "--size, --scale, --offset and --colour")
    fails(run(*embed, "--size", "32", "--scale", "1"), "--offset, --colour missing")
    options = ("--size", "32", "--scale", "0.0078125", "--offset", "127.5", "--colour", "RGB")
    assert run(*embed, *options, "--flip").code == 0


@pytest.mark.parametrize("task", ["11", "1n"])
def test_ijb(run: Any, files: Path, task: str) -> None:
    base = ("ijb", "ijb", "--prefix", "ijbt", "--task", task)
    assert run(*base, "--embeddings", "set.npz", "--json", "a.json", "--plots", "plots").code == 0
    images = ("--model", "net.onnx", "--images", "faces")
    assert run(*base, *images, "--aligned", "--save", "b.npz", "--json", "b.json").code == 0
    assert not (files / "b.npz.partial").exists()
    assert run(*base, "--embeddings", "b.npz", "--json", "c.json").code == 0
    b, c = read(files / "b.json"), read(files / "c.json")
    for name in set(b) - PROVENANCE_KEYS:
        assert b[name] == c[name]
    if task == "11":
        assert {*VERIFICATION_KEYS, *PROVENANCE_KEYS} <= set(b) and b["n_genuine"] == 6
        return
    assert {"galleries", "mean", "cmc_pooled", *PROVENANCE_KEYS} <= set(b)
    assert b["galleries"]["G1"]["n_mated"] == 3 and b["galleries"]["G2"]["n_nonmated"] == 3
    assert list(b["galleries"]["G1"]["rank"]) == ["1", "5", "10"]
    assert {"fpir", "tpir", "threshold", "fpir_achieved"} <= set(b["galleries"]["G1"]["tpir_at_fpir"][0])
    assert b["cmc_pooled"]["1"] == 1.0


@pytest.mark.parametrize(
    ("compat", "rules"), [("insightface", ("nearest", "ijb")), ("keras", ("nearest", "ijb"))]
)
def test_compat(run: Any, files: Path, compat: str, rules: tuple[str, str]) -> None:
    for task, rule in zip(("11", "1n"), rules, strict=True):
        base = ("ijb", "ijb", "--prefix", "ijbt", "--task", task, "--embeddings", "set.npz")
        assert run(*base, "--compat", compat, "--json", "x.json").code == 0
        settings = read(files / "x.json")["settings"]
        assert settings["threshold_rule"] == rule and settings["compat"] == compat
        assert settings["detector_weight"] and not settings["normalise_features"]
    fails(run(*base, "--compat", "facenet"), "--compat: expected one of insightface, keras")


def test_ijb_aligns_loose_crops(run: Any, files: Path) -> None:
    """Landmarks on the template mean the identity: aligned 112-pixel images come out as they are."""
    write_faces(files / "large")
    for path in (files / "large").rglob("*.jpg"):
        path.write_bytes(_enlarged(path))
    write_onnx(files / "large.onnx", size=112)
    base = ("ijb", "ijb", "--prefix", "ijbt", "--task", "11", "--model", "large.onnx", "--images", "large")
    assert run(*base, "--json", "aligned.json").code == 0
    assert run(*base, "--aligned", "--json", "as-is.json").code == 0
    aligned, as_is = read(files / "aligned.json"), read(files / "as-is.json")
    assert aligned["eer"]["threshold"] == pytest.approx(as_is["eer"]["threshold"], abs=1e-3)


def _enlarged(path: Path) -> bytes:
    import cv2

    pixels = cv2.resize(cv2.imread(str(path)), (112, 112))
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def test_identify(run: Any, files: Path) -> None:
    whole = EmbeddingSet.load(files / "set.npz")
    assert whole.labels is not None
    first = np.arange(0, 18, 3)
    whole.subset(first[:4]).save(files / "gallery.npz")
    whole.subset(np.setdiff1d(np.arange(18), first)).save(files / "probes.npz")
    base = ("identify", "--gallery", "gallery.npz", "--probes", "probes.npz")
    assert run(*base, "--ranks", "1,4", "--fpir", "0.5", "--json", "i.json", "--plots", "plots").code == 0
    (gallery,) = read(files / "i.json")["galleries"].values()
    assert (gallery["n_mated"], gallery["n_nonmated"], gallery["rank"]["1"]) == (8, 4, 1.0)
    assert {path.name for path in (files / "plots").iterdir()} == {"dir.png", "cmc.png"}
    fails(run(*base, "--ranks", "1,5"), "rank 5 is larger than the gallery of 4 rows")
    fails(run("identify", "--gallery", "set.npz", "--probes", "probes.npz"), "every probe has a mate")
    EmbeddingSet(whole.embeddings).save(files / "bare.npz")
    fails(run("identify", "--gallery", "bare.npz", "--probes", "probes.npz"), "bare.npz: no labels")


def test_compare(run: Any, files: Path) -> None:
    for name, rule in (("a", "conservative"), ("b", "max_tar")):
        run(
            "verify",
            "--embeddings",
            "set.npz",
            "--pairs",
            "pairs.txt",
            "--threshold-rule",
            rule,
            "--json",
            f"{name}.json",
        )
        run(
            "ijb",
            "ijb",
            "--prefix",
            "ijbt",
            "--task",
            "1n",
            "--embeddings",
            "set.npz",
            "--threshold-rule",
            rule,
            "--json",
            f"{name}1n.json",
        )
    result = run("compare", "a.json", "b.json", "--plots", "plots", "--json", "both.json")
    assert result.code == 0 and "TAR@FAR" in result.out and "3fold" in result.out
    assert set(read(files / "both.json")["systems"]) == {"a", "b"}
    assert run("compare", "a1n.json", "b1n.json", "--plots", "plots").code == 0
    assert {path.name for path in (files / "plots").iterdir()} == {"roc.png", "det.png", "dir.png", "cmc.png"}
    fails(run("compare", "a.json", "a1n.json"), "expected results of one kind")
    fails(run("compare", "a.json", "pairs.txt"), "pairs.txt: not JSON")
    fails(run("compare", "a.json", "net.json"), "net.json: expected a result of fr-eval")
    fails(run("compare", "a.json", "none.json"), "none.json")
    (files / "torn.json").write_text('{"task": "verification", "auc": 1}')
    fails(run("compare", "a.json", "torn.json"), "a file is not a whole result of fr-eval: KeyError('eer')")


def test_demo_is_deterministic(run: Any, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert run("demo", "--quick", "-o", name, "--json", f"{name}.json").code == 0
    first, second = read(tmp_path / "first.json"), read(tmp_path / "second.json")
    assert first == second
    assert first["verification"]["n_impostor"] == 400_000
    assert {path.name for path in (tmp_path / "first").iterdir()} == {
        "verification.json", "identification.json", "roc.png", "det.png", "scores.png", "dir.png", "cmc.png",
    }  # fmt: skip


def test_bad_input_is_one_line(run: Any, files: Path) -> None:
    verify = ("verify", "--embeddings", "set.npz", "--pairs")
    (files / "missing.txt").write_text(
        "".join(f"{i % 2} gone/{i}.jpg name_00/name_00_0001.jpg\n" for i in range(9))
    )
    fails(run(*verify, "missing.txt"), "9 images are not in the embedding set: gone/0.jpg", "gone/4.jpg, ...")
    fails(run(*verify, "nothing.txt"), "nothing.txt: no such file")
    fails(run(*verify, "pairs.txt", "--far", "0.1,x"), "--far: expected numbers")
    fails(run(*verify, "pairs.txt", "--far", "2"), "expected a rate from 0 to 1")
    fails(run(*verify, "pairs.txt", "--threshold-rule", "best"), "threshold rule: expected one of")
    whole = (files / "set.npz").read_bytes()
    (files / "cut.npz").write_bytes(whole[: len(whole) // 2])
    fails(run("verify", "--embeddings", "cut.npz", "--pairs", "pairs.txt"), "cut.npz: cannot be read")
    (files / "evil.bin").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    fails(run("bin", "evaluate", "evil.bin", "--model", "net.onnx"), "refused, the pickle asks for os.system")
    assert not (files / "ran").exists()
    (files / "faces" / "name_01" / "name_01_0001.jpg").write_bytes(b"torn")
    fails(run("embed", "faces", "--model", "net.onnx", "-o", "new.npz"), "name_01_0001.jpg: not an image")
    fails(
        run("bin", "build", "faces", "--pairs", "pairs.txt", "-o", "x.bin"), "name_01_0001.jpg: not an image"
    )
    write_onnx(files / "large.onnx", size=64)
    fails(run("bin", "evaluate", "evil.bin", "--model", "large.onnx"), "refused")
    fails(run("embed", "faces", "--model", "large.onnx", "-o", "y.npz"))
    layout = ("ijb", "ijb", "--prefix", "ijbt", "--task")
    fails(run(*layout, "12", "--embeddings", "set.npz"), "--task: expected one of 11, 1n")
    fails(run(*layout, "11"), "expected either --embeddings, or --model and --images")
    pairs = files / "ijb" / "ijbt_template_pair_label.txt"
    pairs.write_text(pairs.read_text() + "999 1 0\n")
    fails(run(*layout, "11", "--embeddings", "set.npz"), "template pairs: 1 template ids have no image: 999")


@pytest.mark.parametrize("target", [".", "", "faces", "net.onnx/x.json"])
def test_a_result_that_cannot_be_written_is_refused_before_the_work(
    run: Any, files: Path, target: str
) -> None:
    fails(run("identify", "--gallery", "gone.npz", "--probes", "gone.npz", "--json", target), "folder")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FR_NUM_THREADS", "abc", "FR_NUM_THREADS is 'abc', expected"),
        ("FR_NUM_THREADS", "0", "FR_NUM_THREADS is '0', expected"),
        ("FR_NATIVE_ISA", "abc", "FR_NATIVE_ISA"),
    ],
)
def test_wrong_environment_is_one_line(
    monkeypatch: pytest.MonkeyPatch, run: Any, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    fails(run("verify", "--embeddings", "gone.npz", "--pairs", "gone.txt"), message)


def test_wrong_arguments_are_one_line(run: Any, files: Path) -> None:
    fails(run("verify", "--pairs", "pairs.txt"), "Missing option '--embeddings'")
    fails(run("nonsense"), "No such command 'nonsense'")
    fails(run("verify", "--nonsense"), "No such option")
    fails(
        run("verify", "--embeddings", "set.npz", "--pairs", "pairs.txt", "--folds", "two"),
        "Invalid value for '--folds'",
    )
    fails(run("verify", "--embeddings", "set.npz", "--pairs", "faces"), "faces: Is a directory")
    fails(run("demo", "--quick", "-o", "net.onnx"), "net.onnx: File exists")
    for arguments in ((), ("bin",), ("--help",), ("verify", "--help")):
        result = run(*arguments)
        assert "Usage:" in result.out + result.err and "Traceback" not in result.err


def test_help_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['fr-eval', '--help']\n"
        "from fr_eval.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'matplotlib', 'pandas', 'sklearn', 'cv2', 'tensorflow', 'onnxruntime'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["embed", "ijb"])
def test_a_stopped_run_says_so(
    run: Any, files: Path, monkeypatch: pytest.MonkeyPatch, command: str, number: int, status: int
) -> None:
    """With what the same command goes on with."""
    arguments: dict[str, list[str]] = {
        "embed": ["embed", "faces", "--model", "net.onnx", "-o", "new.npz"],
        "ijb": ["ijb", "ijb", "--prefix", "ijbt", "--task", "11", "--aligned", "--save", "new.npz"],
    }
    arguments["ijb"] += ["--model", "net.onnx", "--images", "faces"]

    def stopping(path: Path) -> np.ndarray:
        os.kill(os.getpid(), number)
        return read_image(path)

    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # by jobs in the background
    try:
        with monkeypatch.context() as patched:
            patched.setattr("fr_eval.embed.read_image", stopping)
            result = run(*arguments[command])
    finally:
        signal.signal(signal.SIGINT, ignored)
    line = "fr-eval: interrupted; the same command goes on with new.npz.partial"
    assert (result.code, result.out, result.err.splitlines()[-1]) == (status, "", line)
    assert not (files / "new.npz").exists()
    assert run(*arguments[command]).code == 0 and len(EmbeddingSet.load(files / "new.npz")) == 18
    assert not list(files.glob("new.npz.*"))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL does not exist on Windows")
def test_a_killed_embed_goes_on(files: Path) -> None:
    """kill -9 in the middle: the next run keeps the chunks that were finished."""
    write_faces(files / "many", identities=200, images=20)
    command = [sys.executable, "-m", "fr_eval.cli", "embed", "many", "--model", "net.onnx", "-o", "many.npz"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(command, cwd=files, env=environment, stderr=subprocess.DEVNULL)
    partial = files / "many.npz.partial"
    deadline = time.monotonic() + 60
    while len(list(partial.glob("0*.npz"))) < 3 and time.monotonic() < deadline:
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in partial.glob("0*.npz")}
    assert len(kept) >= 3 and not (files / "many.npz").exists()
    resumed = subprocess.run(command, cwd=files, env=environment, capture_output=True, text=True, check=True)
    assert f"embed: {256 * len(kept)} of 4000" in resumed.stderr or len(kept) == 16
    assert len(EmbeddingSet.load(files / "many.npz")) == 4000
