"""A green build is a true build: each of these pages must fail it, with its cell and a cure.

The pages are built at once, in one book.
"""

import re

import pytest

from tests.book.test_broken_builds import PAGE, make_html, tiny_book

pytestmark = pytest.mark.slow

CELL = "```{{code-cell}} ipython3\n{options}{code}\n```"
FIGURE = "---\nmystnb:\n  figure:\n    name: fig-{name}\n    caption: A line that rises.\n---\n"
DRAW = "import matplotlib.pyplot as plt\n"
FAULTS = {  # options and code of a cell, and what the build says of it
    "hangs": ("", "import time\ntime.sleep(600)", "ran longer than 8 s .* `execution: timeout:`"),
    "dies": ("", "import os\nos.kill(os.getpid(), 9)", "the kernel died while it ran: .* Build"),
    "warns": (
        "",
        'import warnings\nwarnings.warn("old", stacklevel=1)',
        "standard error stream: .* the tag remove-stderr",
    ),
    "nan": ("", 'float("nan")', "shows nan, which is no finite number.* the tag shows-nan"),
    "printed-nan": (
        "",
        'print("the loss is", float("nan"))',
        "shows nan, which is no finite number",
    ),
    "glued-nan": (
        "",
        'from myst_nb import glue\nglue("loss", float("nan"), display=False)',
        "shows nan, which is no finite number",
    ),
    "inf": ("", 'float("inf")', "shows inf, which is no finite number"),
    "no-time": ("", 'import numpy\nprint(numpy.datetime64("NaT"))', "shows NaT, which is no"),
    "not-there": ("", 'print("<NA>")', "shows <NA>, which is no finite number"),
    "masked": (
        "",
        "import numpy\nprint(numpy.ma.masked_invalid([1, float(chr(110) + 'an'), 2]))",
        r"shows \[1.0 --, which is no finite number",
    ),
    "raises-nothing": (
        ":tags: [raises-exception]\n\n",
        "6 * 7",
        "has the tag raises-exception, and raises nothing",
    ),
    "no-figure": (FIGURE, "6 * 7", "caption or the alt text of a figure, and draws none"),
    "empty-figure": (FIGURE, f"{DRAW}plt.subplots();", "the figure that it draws is empty"),
    "nan-figure": (
        FIGURE,
        f'{DRAW}plt.plot([float("nan")] * 3);',
        "the figure that it draws is empty",
    ),
    "empty-panel": (
        FIGURE,
        f"{DRAW}plt.subplots(1, 2)[1][0].plot([1, 2]);",
        "panel 2 of 2 is empty",
    ),
    "nan-line": (
        FIGURE,
        f'{DRAW}plt.plot([1, 2])\nplt.plot([float("nan")] * 2);',
        "has a part without a single point",
    ),
    "nan-bar": (
        FIGURE,
        f'{DRAW}plt.bar([1, 2, 3], [1, float("nan"), 2]);',
        "has a part without a single point",
    ),
    "white": (FIGURE, f'{DRAW}plt.plot([1, 2], color="white");', "draws is empty"),
    "nearly-white": (FIGURE, f'{DRAW}plt.plot([1, 2], color="#fefefe");', "draws is empty"),
    "under-another": (
        FIGURE,
        f"{DRAW}plt.plot([1, 2])\nplt.plot([1, 2]);",
        "has a line that lies under another one, point for point. .* the upper one dashed",
    ),
    "one-point": (FIGURE, f"{DRAW}plt.plot([1], [1]);", "draws is empty"),
    "no-heights": (FIGURE, f"{DRAW}plt.bar([1, 2], [0, 0]);", "draws is empty"),
    "far-away": (
        FIGURE,
        f'{DRAW}plt.plot([1, 2])\nplt.text(9, 9, "far");',
        "the figure that it draws has .* points, and not 20 to 1500 a side",
    ),
    "writes": (
        "",
        'from pathlib import Path\nPath("made.txt").write_text("a");',
        "it writes made.txt into the repository, .* Write it to a folder of `tempfile`",
    ),
    "folder": (
        "",
        "from pathlib import Path\nprint(Path.cwd())",
        "it shows .*, which is another folder elsewhere. Print the file's name alone",
    ),
    "control": ("", "print(chr(7))", "it shows a character that nobody can see. Print it by repr"),
    "transparent": (FIGURE, f"{DRAW}plt.plot([1, 2], alpha=0);", "draws is empty"),
    "outside": (FIGURE, f"{DRAW}plt.plot([1, 2])\nplt.ylim(5, 6);", "draws is empty"),
    "title-alone": (FIGURE, f'{DRAW}plt.title("All of it");', "draws is empty"),
    "address": ("", f"{DRAW}plt.plot([1, 2])", "shows what an object is, and not what is in it"),
    "no-picture": (
        "",
        "from IPython.display import SVG, display\n"
        'display({"image/svg+xml": "<svg><g>"}, raw=True)',
        "shows a picture that cannot be read",
    ),
    "nan-in-figure": (
        FIGURE,
        f'{DRAW}plt.plot([1, 2])\nplt.title(f"The loss is {float(chr(110) + "an")}");',
        "shows nan, which is no finite number",
    ),
    "glued-array": (
        "",
        'import numpy\nfrom myst_nb import glue\nglue("loss", numpy.ones(2), display=False)',
        r"glues array\(\[1., 1.\]\) as loss. Glue a number or a text",
    ),
    "glued-none": (
        "",
        'from myst_nb import glue\nglue("loss", None, display=False)',
        "glues None as loss. Glue a number or a text",
    ),
    "goes-on": (
        "",
        'get_ipython().run_cell("1 / 0");',
        "shows ZeroDivisionError: division by zero. Mend it, or.* the tag raises-exception",
    ),
    "object": ("", f"{DRAW}plt.bar([1, 2], [1, 2])", "shows what an object is, and not what is in"),
    "glued-blank": (
        "",
        'from myst_nb import glue\nglue("loss", " ", display=False)',
        "glues ' ' as loss. Glue a number or a text",
    ),
    "glued-figure": (
        "",
        f'{DRAW}from myst_nb import glue\nglue("loss", plt.subplots()[0], display=False)\n'
        "plt.close()",
        "the figure that it draws is empty",
    ),
    "callback": (
        "",
        "import asyncio\nasyncio.get_event_loop().call_soon(lambda: 1 / 0);",
        "what it starts fails unseen: ZeroDivisionError: division by zero. Await it",
    ),
    "task": (
        "",
        "import asyncio\nasync def late():\n    [][0]\ntask = asyncio.ensure_future(late())",
        "what it starts fails unseen: IndexError: list index out of range. Await it",
    ),
    "thread": (
        "",
        "import threading, time\ndef late():\n    time.sleep(0.5)\n    {}[0]\n"
        "threading.Thread(target=late).start()",
        r"what it starts fails unseen: KeyError: 0. Await it, .* `thread.join\(\)`",
    ),
    "long": ("", 'print("x" * 2_000_000)', "prints 2,000,001 characters, more than 100,000"),
    "large": (
        "",
        'from IPython.display import HTML\nHTML("<p>word</p>" * 100_000)',
        "shows [0-9,]+ characters, more than 500,000. Show less.",
    ),
}
SOUND = {
    "warns": (":tags: [remove-stderr]\n\n", 'import sys\nprint("well", file=sys.stderr)'),
    "nan": (":tags: [shows-nan]\n\n", 'float("nan")'),
    "figure": (FIGURE, f"{DRAW}plt.plot([1, 2]);"),
    "panels": (
        FIGURE,
        f"{DRAW}panels = plt.subplots(1, 4)[1]\npanels[0].bar([1], [2])\n"
        'panels[1].imshow([[1, 2]])\npanels[2].axis("off")\npanels[3].scatter([1], [2]);',
    ),
    "outlines": (
        FIGURE,
        f'{DRAW}panels = plt.subplots(1, 4)[1]\npanels[0].hist([1, 2], histtype="step")\n'
        'panels[1].bar([1], [2], color="white", edgecolor="black", hatch="/")\n'
        'panels[2].text(0.5, 0.5, "words")\npanels[3].plot([1, 2])\npanels[3].plot([1, 2], "--o")\n'
        "panels[3].plot([1, 2], lw=3)\npanels[3].twinx();",
    ),
    "meant-to-be-empty": (
        FIGURE.replace("mystnb", "tags: [shows-empty]\nmystnb"),
        f"{DRAW}plt.subplots();",
    ),
    "glued-and-shown": ("", 'from myst_nb import glue\nglue("loss", 5)'),
    "bool": ("", 'from myst_nb import glue\nglue("loss", True, display=False)'),
    "banana": (
        "",
        "from IPython.display import HTML, display\n"
        'print("nano, banana, Nancy, info, infinite, nan-safe")\n'
        "display(HTML('<p class=\"nan\">a <ruby>b<rt>c</ruby></p>'))",
    ),
    "rich": (
        "",
        "class Rich:\n    def _repr_html_(self):\n        return '<b>all of it</b>'\nRich()",
    ),
    "temporary": (
        "",
        "import random, subprocess, sys, tempfile\nfrom pathlib import Path\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    Path(folder, 'weights.bin').write_text('a')  # not np.random.rand()\n"
        "random.seed(0)\nrandom.random()\n"
        "subprocess.run(\n    [sys.executable, '-c', ''],\n    check=True,\n)\n1",
    ),
    "raises": (":tags: [raises-exception]\n\n", "1 / 0"),
}


def write_pages(folder, pages):
    """A tiny book of these pages; each has a line of code before the cell that counts."""
    tiny_book(folder, "")
    entries = [f"  - file: {name}\n" for name in pages]
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n" + "".join(entries))
    for name, (options, code) in pages.items():
        cell = CELL.format(options=options.format(name=name), code=code)
        first = CELL.format(options="", code="first = 1")
        shown = "The loss is {glue:text}`loss`." if "glue(" in code else ""
        cells = f"{first}\n\n{cell}\n\n{shown}"
        text = PAGE.replace("A tiny book", f"Page {name}").format(text=cells)
        limit = 8 if "sleep" in code else 300
        text = text.replace("kernelspec:", f"execution:\n  timeout: {limit}\nkernelspec:")
        (folder / "book" / f"{name}.md").write_text(text)
    return folder


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    pages = {name: (options, code) for name, (options, code, _) in FAULTS.items()}
    result = make_html(write_pages(tmp_path_factory.mktemp("faulty"), pages))
    assert result.returncode != 0
    return result.stdout + result.stderr


@pytest.mark.fault(
    "a cell hangs, kills its kernel, warns, shows nan, draws no, an empty or an unseen figure or "
    "panel, or a line under another, glues nothing, floods, starts a task or a thread that fails, "
    "writes into the repository, shows a folder of the machine",
    "the build fails with page, line, cell and cure",
)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_cell_and_a_cure(output, name):
    told = [line for line in output.splitlines() if line.startswith(f"{name}.md, line 16, ")]
    assert told, output
    assert told[0].startswith(f"{name}.md, line 16, code cell 2: ")
    assert re.search(FAULTS[name][2], told[0])
    assert "Traceback" not in told[0]


def test_what_is_meant_is_let_through(tmp_path):
    result = make_html(write_pages(tmp_path, SOUND))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.fault(
    "a tag that allowed an output is taken away after the page has run",
    "the page runs again, and the build fails as a clean one would",
)
@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("hide-output", "shows nan, which is no finite"),
        pytest.param("raises-exception", "and raises nothing", marks=pytest.mark.weekly),
    ],
)
def test_outputs_are_held_against_the_tags_of_today(tmp_path, tag, told):
    assert make_html(write_pages(tmp_path, {"nan": SOUND["nan"]})).returncode == 0
    page = tmp_path / "book" / "nan.md"
    page.write_text(page.read_text().replace("shows-nan", tag))
    result = make_html(tmp_path)
    assert result.returncode != 0
    assert told in result.stdout + result.stderr


@pytest.mark.fault(
    "the process that runs a page is killed, as where memory is short",
    "the build ends and names page and signal",
)
def test_a_worker_that_is_killed_ends_the_build_and_is_named(tmp_path):
    """As the kernel of Linux does where memory is short."""
    kill = "import psutil\npsutil.Process().parent().kill()"
    result = make_html(write_pages(tmp_path, {"killer": ("", kill)}))
    output = result.stdout + result.stderr
    assert result.returncode != 0, output
    assert "killer.md: the process that ran it was killed (SIGKILL)" in output
