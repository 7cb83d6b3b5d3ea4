"""Files that all pages share: scripts that parse and pictures that are whole, or no page is read.

A script that does not parse would take all that it is joined with along, and show nothing of it.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import playwright
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import condlesson
from pictures import SHOWN, fault_of

PACKAGE = Path(condlesson.__file__).parent
# Prints a line for each file that is no script, and runs none.
PARSE = """
const fs = require("fs"), vm = require("vm")
for (const file of process.argv.slice(1)) {
  try { new vm.Script(fs.readFileSync(file, "utf8"), { filename: file }) }
  catch (error) {
    const [place, line] = error.stack.split("\\n")
    console.log(`${place}: it is no JavaScript: ${error.message}, at: ${line.trim()}`)
  }
}
"""


def look(app: Sphinx) -> None:
    """Refuse what is broken, before anything runs."""
    folders = Path(app.srcdir), PACKAGE
    scripts = [path for folder in folders for path in sorted(folder.rglob("[!.]*.js"))]
    pictures = sorted((folders[0] / "_static").glob("[!.]*"))
    if wrong := [*_no_scripts(scripts), *_no_pictures(pictures)]:
        raise ExtensionError("\n".join(wrong))


def _no_scripts(paths: list[Path]) -> list[str]:
    """What does not parse: by the node that comes with the browsers' driver, or the system's."""
    inside = Path(playwright.__file__).parent / "driver"
    node = shutil.which("node", path=str(inside)) or shutil.which("node")
    if not (node and paths):
        return []
    command = [node, "-e", PARSE, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _no_pictures(paths: list[Path]) -> Iterator[str]:
    yield from filter(None, (fault_of(path) for path in paths if path.suffix.lower() in SHOWN))


def setup(app: Sphinx) -> dict:
    """Look first of all."""
    app.connect("builder-inited", look, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
