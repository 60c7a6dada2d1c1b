"""Run a page's blocks of Python and its commands, given as ``[kind, text]`` in JSON, in the current folder.

All in one process, which imports TensorFlow once: Python in a namespace of its own, where a warning is an
error but for Keras's own, and our commands by the functions that their scripts call. Other commands get a
shell, and Python that asks what is imported a process.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import warnings
from importlib.metadata import entry_points

KERAS_3_UNDER_NUMPY_2 = "__array__ implementation"
KERAS_2 = "non-integer arguments to randrange"
OURS = {one.name: one for one in entry_points(group="console_scripts") if one.name.startswith("fr-")}


def run_python(text: str) -> None:
    if "sys.modules" in text:
        subprocess.run([sys.executable, "-W", "error", "-c", text], check=True)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in (KERAS_3_UNDER_NUMPY_2, KERAS_2):
            warnings.filterwarnings("ignore", message, DeprecationWarning)
        exec(compile(text, "block", "exec", dont_inherit=True), {"__name__": "__main__"})


def run_command(command: str) -> None:
    words = shlex.split(command)
    if words[0] not in OURS:
        subprocess.run(command, shell=True, check=True)
        return
    sys.argv = words
    try:
        sys.exit(OURS[words[0]].load()())
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"{command}: exit code {end.code}") from end


for kind, text in json.load(sys.stdin):
    if kind == "python":
        run_python(text)
    else:
        for command in text.split(" && "):
            run_command(command)
    sys.stdout.flush()
