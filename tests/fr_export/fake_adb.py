"""An executable named adb that plays phones, which answer as recorded ones did."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fr_export.recorded import RECORDED

# It keeps a log of its calls, and the phone's files in a folder; what it answers lies in files beside it.
FAKE = r"""#!{python}
import pathlib, shutil, sys
here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
with (here / "log").open("a") as log:
    print(*arguments, file=log)
if arguments == ["devices"]:
    print((here / "devices").read_text(), end="")
    sys.exit()
assert arguments[0] == "-s"
serial, verb, *rest = arguments[1:]
phone = here / serial
def local(path):
    return phone / path.lstrip("/")
if verb == "push":
    source, target = rest
    if (here / "full").exists():
        print(source + ": 0 files pushed.", file=sys.stderr)
        print("adb: error: failed to copy '%s' to '%s': remote write failed: No space left on device"
              % (source, target), file=sys.stderr)
        sys.exit(1)
    shutil.copyfile(source, local(target))
    print(source + ": 1 file pushed, 0 skipped. 31.4 MB/s (1842596 bytes in 0.056s)")
elif rest[0].startswith("getprop"):
    print("Pixel " + serial[-1])
elif rest[0].startswith("mkdir -p "):
    local(rest[0].split()[2]).mkdir(parents=True, exist_ok=True)
elif rest[0].startswith("chmod 755 "):
    local(rest[0].split()[2]).chmod(0o755)
elif rest[0].startswith("rm -rf "):
    shutil.rmtree(local(rest[0].split()[2]))
else:
    program, graph, *_ = rest[0].split()
    assert local(program).stat().st_mode & 0o100 and local(graph.removeprefix("--graph=")).exists()
    print((here / "output").read_text(), end="")
    sys.exit(int((here / "code").read_text()))
"""


def write_fake_adb(folder: Path) -> None:
    """Write it, with one phone that is ready and tells percentiles."""
    folder.mkdir()
    (folder / "adb").write_text(FAKE.replace("{python}", sys.executable))
    (folder / "adb").chmod(0o755)
    says(folder, "one\tdevice")
    answers(folder, RECORDED["percentiles"])


def says(adb: Path, *states: str) -> None:
    """Set what it says of phones."""
    lines = ["* daemon not running; starting now at tcp:5037", "* daemon started successfully"]
    (adb / "devices").write_text("\n".join([*lines, "List of devices attached", *states, "", ""]))


def answers(adb: Path, output: str, code: int = 0) -> None:
    """Set what a phone's ``benchmark_model`` prints, and how it ends."""
    (adb / "output").write_text(output)
    (adb / "code").write_text(str(code))
