"""An executable named adb that plays phones: it answers as recorded ones did.

It keeps a log of its calls, and each phone's files in a folder of its serial number; what it answers lies in
files beside it, which `says` and `answers` write. Files named ``full``, and ``SERIAL/unplugged`` or
``SERIAL/crashes``, are faults.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fr_export.recorded import RECORDED

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
if (phone / "unplugged").exists() and "getprop" not in rest[0]:
    print("adb: device '%s' not found" % serial, file=sys.stderr)
    sys.exit(1)
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
    if (phone / "crashes").exists() and "--num_threads=4" in rest[0]:
        print("Segmentation fault")
        sys.exit(139)
    print((here / "output").read_text(), end="")
    sys.exit(int((here / "code").read_text()))
"""


def install(folder: Path) -> None:
    """Write the executable into a new folder, with one phone whose runs all end well."""
    folder.mkdir()
    (folder / "adb").write_text(FAKE.replace("{python}", sys.executable))
    (folder / "adb").chmod(0o755)
    says(folder, "one\tdevice")
    answers(folder, RECORDED["percentiles"])


def says(adb: Path, *states: str) -> None:
    """Let ``adb devices`` list phones: serial number, tab, state."""
    lines = ["* daemon not running; starting now at tcp:5037", "* daemon started successfully"]
    (adb / "devices").write_text("\n".join([*lines, "List of devices attached", *states, "", ""]))


def answers(adb: Path, output: str, code: int = 0) -> None:
    """Let every ``benchmark_model`` print this and end with this exit code."""
    (adb / "output").write_text(output)
    (adb / "code").write_text(str(code))
