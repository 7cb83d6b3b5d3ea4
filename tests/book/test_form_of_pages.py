"""What is wrong with the form of a page ends the build before anything runs."""

import pytest

from tests.book.test_broken_builds import PAGE, make_html, tiny_book
from tests.book.test_true_builds import CELL

pytestmark = pytest.mark.slow

FRONT = {  # what these say of themselves
    "timeout": "execution:\n  timeout: long\n",
    "settings": "execution: 5\n",
    "mode": "mystnb:\n  execution_mode: 'off'\n",
    "execution": "execution:\n  timout: 50\n",
    "front": "exection:\n  timeout: 300\n",
}
ELSEWHERE = ["below/page.md", "LOUD.MD", "other.ipynb", "old.rst"]  # nobody would find them
UNREADABLE = {  # its text, and what the build says of it
    "tag": (
        CELL.format(options=":tags: [hide-inputs]\n\n", code="1"),
        ", line 10: the tag hide-inputs is not known.",
    ),
    "yaml": (
        CELL.format(options="---\nmystnb: [\n---\n", code="1"),
        ", line 9, code cell 1: its options are no YAML.",
    ),
    "text": (
        CELL.format(options=":tags: hide-input\n\n", code="1"),
        ": 'hide-input' is not of type 'array'. Tags are a list, in brackets",
    ),
    "option": (
        CELL.format(options=":tag: [hide-input]\n\n", code="1"),
        ", line 10: the option tag is not known. There are mystnb, tags.",
    ),
    "caption": (
        CELL.format(options="---\nmystnb:\n  figure:\n    captoin: A line.\n---\n", code="1"),
        ", line 10: the option mystnb: figure: captoin is not known. There are align, caption,",
    ),
    "no-options": (
        CELL.format(options="---\nmystnb:\n  figure: A line.\n---\n", code="1"),
        ", line 10: the option figure must hold options of its own, got 'A line.'.",
    ),
    "comment": (
        CELL.format(
            options="---\nmystnb:\n  figure:\n    caption: Two lines, #1 and #2.\n---\n", code="1"
        ),
        ", line 10: `caption: Two lines, #1 and #2.`: YAML drops what stands behind #. Put",
    ),
    "twice": (
        CELL.format(options=":tags: [hide-input]\n:tags: [shows-nan]\n\n", code="1"),
        ", line 10: the option tags stands twice, and the first is dropped. Leave one.",
    ),
    "twice-inside": (
        CELL.format(
            options="---\nmystnb:\n  figure:\n    name: fig-a\n    name: fig-b\n  image:\n"
            '    alt: "A # B"\n---\n',
            code="1",
        ),
        ", line 10: the option name stands twice, and the first is dropped. Leave one.",
    ),
    "shell": (
        CELL.format(options="", code="found = !ls nowhere"),
        ", line 10: a command behind ! may fail, and nobody would see it. Use subprocess.run",
    ),
    "system": (
        CELL.format(options="", code="import os\nos.system('false')"),
        ", line 10: a command of the system may fail, and nobody would see it. Use subprocess.run",
    ),
    "capture": (
        CELL.format(options="", code="%%capture\n1 / 0"),
        ", line 10: %%capture hides an exception as well. Take it out.",
    ),
    "no-raise": (
        CELL.format(options="", code="%%time --no-raise-error\n1 / 0"),
        ", line 10: --no-raise-error hides an exception. Take it out.",
    ),
    "front": (
        CELL.format(options="", code="1"),
        ": exection in the front matter is not known. There are execution, html_meta,",
    ),
    "install": (
        CELL.format(options="", code="%pip install nothing"),
        ", line 10: pages install nothing. Name the package in pyproject.toml, and run `make lock`",
    ),
    "unchecked": (
        CELL.format(options="", code="import subprocess\nsubprocess.run(['false'])"),
        ", line 10: a command may fail here, and nobody would see it. Use subprocess.run",
    ),
    "asks": (
        CELL.format(options="", code="print?"),
        ", line 10: this waits for somebody who asks. Take it out.",
    ),
    "align": (
        CELL.format(options="---\nmystnb:\n  figure:\n    align: middle\n---\n", code="1"),
        ", line 10: align must be one of left, center, right, got middle.",
    ),
    "no-text": (
        CELL.format(options="---\nmystnb:\n  figure:\n    caption: yes\n---\n", code="1"),
        ", line 10: caption must be a text, got True. Put it in quotes.",
    ),
    "not-shown": (
        CELL.format(
            options="---\ntags: [remove-cell]\nmystnb:\n  figure:\n    caption: A.\n---\n", code="1"
        ),
        ", line 10: its figure is not shown, since it has the tag remove-cell. Take one of them",
    ),
    "language": (
        "```{code-cell} R\n1\n```",
        ", line 9: its cells are run as Python, got R. Write {code-cell} ipython3.",
    ),
    "execution": (
        CELL.format(options="", code="1"),
        ": execution: timout in the front matter is not known. There is timeout.",
    ),
    "kernel": (
        CELL.format(options="", code="1"),
        ": 'python3' is not of type 'object'. Below `kernelspec:` stands `name: python3`, inden",
    ),
    "unseeded": (
        CELL.format(options="", code="import numpy as np\nnp.random.default_rng()"),
        ", line 10: default_rng() gives other numbers each time. Draw from a generator with a seed",
    ),
    "drawn": (
        CELL.format(options="", code="import random\nrandom.shuffle([1, 2])"),
        ", line 10: random.shuffle( draws other numbers each time. Seed them: random.seed(0), or",
    ),
    "exit": (
        CELL.format(options="", code="exit()"),
        ", line 10: this ends the kernel before the page. Take it out.",
    ),
    "unused": (
        CELL.format(options="", code='glue("loss", 0.1, display=False)'),
        ", line 10: loss is glued, and no text of the page shows it.",
    ),
    "glued-by-code": (
        CELL.format(options="", code='glue(f"loss_{{1}}", 0.1, display=False)'),
        ", line 10: the name of what is glued must be a plain text",
    ),
    "timeout": (
        CELL.format(options="", code="1"),
        ": execution: timeout must be whole seconds from 1 on, got 'long'.",
    ),
    "settings": (
        CELL.format(options="", code="1"),
        ": execution in the front matter must hold settings of its own.",
    ),
    "mode": (
        CELL.format(options="", code="1"),
        ": execution_mode in the front matter is not heard, since the build runs every page.",
    ),
    "nul": ("A\0B", ", line 9: it must be text, got the byte 0x00. Delete it."),
    "latin": ("caf\udce9", ", line 9: it must be UTF-8 text, got the byte 0xe9. Save it as UTF-8."),
    "mark": ("Begins with a mark.", ", line 1: it must begin with its text, got a byte order mark"),
    "lost": ("Nobody finds me.", " is not in _toc.yml as a page in MyST, NAME.md. Enter it there"),
}


@pytest.mark.fault(
    "an unknown tag or option, options that are no YAML or that YAML drops, a command of the "
    "shell, what hides an exception, numbers without a seed, a cell of another language, a figure "
    "that is not shown, a glued value that no text shows, "
    "bytes that are no UTF-8, a page without an entry",
    "the build fails before anything runs, with page, line and cure",
)
def test_what_is_wrong_with_the_form_of_pages_is_told_at_once(tmp_path):
    tiny_book(tmp_path, "")
    entries = [f"  - file: {name}\n" for name in UNREADABLE if name != "lost"]
    toc = "format: jb-book\nroot: index\nchapters:\n" + "".join(entries)
    (tmp_path / "_toc.yml").write_text(toc)
    for name, (text, _) in UNREADABLE.items():
        page = PAGE.format(text=text)
        page = f"\ufeff{page}" if name == "mark" else page
        page = page.replace(
            "\n  name: python3", " python3" if name == "kernel" else "\n  name: python3"
        )
        page = page.replace("kernelspec:", f"{FRONT.get(name, '')}kernelspec:")
        (tmp_path / "book" / f"{name}.md").write_bytes(page.encode("utf-8", "surrogateescape"))
    for name in ELSEWHERE:
        (tmp_path / "book" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "book" / name).write_text("# Nobody finds me\n")
    result = make_html(tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    for name, (_, told) in UNREADABLE.items():
        assert f"{name}.md{told}" in output
    for name in ELSEWHERE:
        assert f"{name} is not in _toc.yml as a page in MyST" in output
    assert "Traceback" not in output
