"""What is published beside the pages: the notebooks, and the package that writes the same ones."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from condlesson.notebooks import addresses
from condlesson.notebooks.pages import Book
from tests.book.built import HTML, article
from tools.glued import glued

BOOK = Book()
GLUED = re.compile(r"\{glue:text\}`[^`]+`")


def notebook(name: str, kind: str = "exercises") -> str:
    """Text of a published notebook."""
    path = HTML / addresses.notebook_path(name, kind)
    if not path.is_file():
        pytest.fail(f"{path.name} is not there. Make it with: make book", pytrace=False)
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("name", BOOK.with_notebook)
def test_notebooks_show_the_numbers_of_the_pages(name):
    source = BOOK.pages[name].text
    shown = [tag.get_text() for tag in article(name).select(".pasted-text")]
    text = notebook(name)
    for match, value in zip(GLUED.finditer(source), shown, strict=True):
        before = re.search(r"[^`{}\n]*$", source[: match.start()])[0][-15:]
        after = re.match(r"[^`{}\n]*", source[match.end() :])[0][:15]
        assert f"{before}{value}{after}" in text


def run(*command: str | Path, folder: Path) -> None:
    """Run a command without the paths of this session."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# Pages that the installed package runs for their numbers; those of the others are the build's.
RUN = ("refresher", "your-numbers")
WRITE = f"""
import json, sys
from pathlib import Path
from condlesson.notebooks import write_notebooks
from condlesson.notebooks.glued import measure
from condlesson.notebooks.pages import PAGES_DIR
measured = json.loads(Path(sys.argv[1]).read_text("utf-8"))
measured |= measure([PAGES_DIR / f"{{name}}.md" for name in {RUN}])
write_notebooks("made", measured=measured)
"""


@pytest.mark.weekly
@pytest.mark.slow
def test_the_published_package_writes_the_published_notebooks(tmp_path):
    """Installed where no checkout is, beside the packages of this environment."""
    others = [name for name in BOOK.with_notebook if name not in RUN]
    values = glued([BOOK.folder / f"{name}.md" for name in others])
    (tmp_path / "values.json").write_text(json.dumps(values), "utf-8")
    venv.create(tmp_path / "venv", symlinks=True)
    [packages] = (tmp_path / "venv").glob("lib/python*/site-packages")
    found = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "book.pth").write_text("\n".join(found))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", packages]
    run(*pip, HTML / addresses.WHEEL, folder=tmp_path)
    run(tmp_path / "venv/bin/python", "-c", WRITE, "values.json", folder=tmp_path)
    made = {p.relative_to(tmp_path / "made"): p for p in (tmp_path / "made").rglob("*.ipynb")}
    published = {p.relative_to(HTML / "notebooks") for p in HTML.glob("notebooks/*/*.ipynb")}
    assert set(made) == published
    different = [
        str(path)
        for path, file in made.items()
        if file.read_bytes() != (HTML / "notebooks" / path).read_bytes()
    ]
    assert different == []
