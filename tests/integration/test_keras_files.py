"""Models of fr-models as files, and who reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fr_models
import numpy as np
from fr_eval.embedders import Preprocessing

READ = """
from pathlib import Path
import numpy as np
from fr_eval.embedders import load_embedder
images = np.load("images.npy")
np.save("embeddings.npy", load_embedder(Path("model.keras"))(images))
"""


def test_fr_eval_reads_them_by_itself(tmp_path: Path, rng: np.random.Generator) -> None:
    """In a process that has not imported fr-models, whose layers are not Keras's."""
    model = fr_models.create("mobilefacenet", embedding_dim=16)
    preprocessing = Preprocessing((112, 112), 1 / 128, 127.5, "RGB")
    fr_models.save(model, tmp_path / "model.keras", preprocessing)
    images = rng.integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    subprocess.run([sys.executable, "-c", READ], cwd=tmp_path, check=True)
    wanted = np.asarray(model(preprocessing.apply(images), training=False))
    np.testing.assert_allclose(np.load(tmp_path / "embeddings.npy"), wanted, rtol=1e-5, atol=1e-5)
