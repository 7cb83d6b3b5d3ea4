"""The exporter on small pages, and on all pages of the book with made-up numbers."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from zipfile import ZipFile

import nbformat
import pytest

import condlesson
from condlesson import scaffold
from condlesson.notebooks import addresses, export
from condlesson.notebooks.export import KINDS, make_archive, make_notebook, write_notebooks
from condlesson.notebooks.pages import Book, PageError

FRONT = "---\nkernelspec:\n  name: python3\n---\n"
SMALL = f"""{FRONT}
# A page

Text {{cite}}`one2020`.

```{{code-cell}} ipython3
:tags: [remove-cell]

from myst_nb import glue
glue("x", 0.5)
```

```{{code-cell}} ipython3
---
mystnb:
  figure:
    name: fig-a
    caption: "A caption, {{glue:text}}`x:.2f`."
  image:
    alt: "A line & a dot."
tags: [hide-input]
---
from condlesson import AdaGN
from condlesson.conditioning import check_inputs
```

```{{scaffold}} condlesson.conditioning.AdaGN
```

```{{code-cell}} ipython3
check_adagn = repr
check_adagn(AdaGN)
```

```{{code-cell}} ipython3
check_adagn(AdaGN)
```
"""
BIB = (
    "@misc{one2020,\n  author = {One, A.},\n  title = {T},\n  year = {2020},\n  eprint = {1},\n}\n"
)
# What Jupyter would show as raw text.
MYST = {
    "a role": r"\{[a-z][\w:+-]*\}`",
    "a directive": r"^\s*(?:`{3,}|~{3,}|:{3,})\s*\{",
    "a fence of colons": r"^\s*:{3,}",
    "a target": r"^\([\w-]+\)=",
    "a comment": r"^%|<!--|\+\+\+",
    "a substitution": r"\{\{",
    "an option": r"^:[\w-]+:",
}


class AnyNumber(dict):
    """Has a number for each name."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return 0.125


@pytest.fixture
def small(tmp_path):
    """A function that makes a book of one page."""

    def make(text=SMALL):
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        (folder / "a.md").write_text(text)
        (folder / "references.bib").write_text(BIB)
        return Book(folder)

    return make


def sources(notebook, kind="code"):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


@pytest.fixture(scope="module")
def book():
    return Book()


@pytest.fixture(scope="module")
def exported(book):
    """Every notebook of the book, with made-up numbers, by kind and page."""
    return {
        (kind, name): make_notebook(book, page, AnyNumber(), with_answers=kind == "solutions")
        for kind in KINDS
        for name, page in book.with_notebook.items()
    }


PAGES = tuple(Book().with_notebook)
EVERY = [pytest.param(kind, name, id=f"{kind}-{name}") for kind in KINDS for name in PAGES]


# --- a small page -----------------------------------------------------------------------------


def test_a_page_becomes_cells(small):
    book = small()
    made = make_notebook(book, book.pages["a"], {"x": 0.5}, with_answers=False)
    assert sources(made, "markdown") == [
        "# A page\n\nText ([One, 2020](https://arxiv.org/abs/1)).",
        "**Fig. 1.** *A caption, 0.50.*\n\n"
        "<details><summary>The figure in words</summary>A line &amp; a dot.</details>",
        "## References\n\n- A. One. [T](https://arxiv.org/abs/1). 2020.",
        "## Where you stand\n\nThe checks of this notebook, as they ended last:",
    ]
    setup, drawing, gaps, *checks, last = sources(made)
    assert addresses.wheel_address() in setup
    assert drawing.startswith("from condlesson import AdaGN\n")
    assert "TODO 4" in gaps
    assert len(checks) == 2
    assert last == 'from condlesson.checks import progress\n\nprogress(["check_adagn"])'
    assert [cell.id for cell in made.cells] == [f"a-{k}" for k in range(len(made.cells))]
    assert [cell.metadata for cell in made.cells if cell.metadata] == [
        {"jupyter": {"source_hidden": True}}
    ]


def test_the_solution_notebook_differs_in_the_answers_only(small):
    book = small()
    blank, filled = (
        sources(make_notebook(book, book.pages["a"], {"x": 0.5}, with_answers=answers))
        for answers in (False, True)
    )
    differing = [pair for pair in zip(blank, filled, strict=True) if pair[0] != pair[1]]
    assert len(differing) == 1
    assert ".chunk(2, dim=-1)  # (B, C) each" in differing[0][1]


@pytest.fixture
def unmeasured(monkeypatch):
    """No page is run; every number is made up."""
    monkeypatch.setattr(export, "measure", lambda paths: {p.stem: AnyNumber() for p in paths})


def test_the_numbers_of_the_pages_are_measured(small, tmp_path):
    exercise, _ = write_notebooks(tmp_path, small())
    assert "*A caption, 0.50.*" in exercise.read_text()


def test_the_same_page_gives_the_same_bytes(small, tmp_path, unmeasured):
    book = small()
    read = {}
    for folder in ("one", "two"):
        written = write_notebooks(tmp_path / folder, book)
        read[folder] = {path.relative_to(tmp_path / folder): path.read_bytes() for path in written}
    assert read["one"] == read["two"]
    assert set(map(str, read["one"])) == {"exercises/a.ipynb", "solutions/a.ipynb"}
    assert all(content.endswith(b"}\n") for content in read["one"].values())


@pytest.mark.parametrize(
    "code",
    ["x = 1", "from condlesson.conditioning import check_groups\ncheck_groups(8, 4)"],
    ids=["none", "a check of arguments"],
)
def test_no_progress_without_checks(small, code):
    book = small(f"{FRONT}\n# A page\n\n```{{code-cell}}\n{code}\n```\n")
    made = make_notebook(book, book.pages["a"], {}, with_answers=False)
    assert sources(made)[1:] == [code]


def test_what_a_learner_wrote_is_not_written_over(small, tmp_path, unmeasured):
    book = small()
    exercise, solution = write_notebooks(tmp_path, book)
    made = exercise.read_bytes(), solution.read_bytes()
    write_notebooks(tmp_path, book)
    exercise.write_text("their work")
    solution.unlink()
    with pytest.raises(FileExistsError, match=r"exercises/a\.ipynb must not differ .* --overwrite"):
        write_notebooks(tmp_path, book)
    assert exercise.read_text() == "their work"
    assert not solution.exists()
    write_notebooks(tmp_path, book, overwrite=True)
    assert (exercise.read_bytes(), solution.read_bytes()) == made


# Cites a lot in one year, so that the order of a set would show.
MANY = "".join(
    f"@misc{{k{k},\n  author = {{One, A. and Two, B.}},\n  title = {{T{k}}},\n  year = {{2020}},\n"
    f"  eprint = {{{k}}},\n}}\n"
    for k in range(12)
)
WRITE = """
import sys
from condlesson import notebooks
from pathlib import Path
notebooks.measure = lambda paths: {"a": {"x": 0.5}}
notebooks.write_notebooks(sys.argv[2], notebooks.Book(Path(sys.argv[1])))
"""


def test_neither_hashes_nor_place_nor_language_change_a_byte(small, tmp_path):
    folder = small(f"{SMALL}\nγ {{cite}}`{','.join(f'k{k}' for k in range(12))}`").folder
    (folder / "references.bib").write_text(BIB + MANY)
    made = []
    for number, locale in enumerate(["C", "C.UTF-8"]):
        out = tmp_path / str(number)
        out.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "LC_ALL": locale}
        environment["PYTHONPATH"] = str(Path(export.__file__).parents[1])
        command = [sys.executable, "-W", "error", "-c", WRITE, folder, "made"]
        subprocess.run(command, cwd=out, env=environment, check=True)
        made.append({path.parent.name: path.read_bytes() for path in out.rglob("*.ipynb")})
    assert set(made[0]) == set(KINDS)
    assert made[0] == made[1]


def test_a_cell_may_raise_if_the_page_says_so(small):
    book = small(f"{FRONT}\n```{{code-cell}}\n:tags: [raises-exception]\n1 / 0\n```\n")
    made = make_notebook(book, book.pages["a"], {}, with_answers=False)
    assert made.cells[1].metadata == {"tags": ["raises-exception"]}


def test_an_unknown_tag_is_an_error_with_page_and_line(small):
    book = small(f"{FRONT}\n```{{code-cell}}\n:tags: [blink]\nx\n```\n")
    with pytest.raises(PageError, match=r"^a\.md, line 6: the tag blink is not known"):
        make_notebook(book, book.pages["a"], {}, with_answers=False)


# --- all pages --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_notebook_is_valid_and_its_code_compiles(exported, kind, name):
    made = exported[kind, name]
    nbformat.validate(made)
    assert (made.nbformat, made.nbformat_minor) == (4, 5)
    assert made.metadata.kernelspec.name == "python3"
    for source in sources(made):
        ast.parse(source)
        assert "myst_nb" not in source
        assert "glue(" not in source


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_no_myst_is_left_over(exported, kind, name):
    text = "\n\n".join(sources(exported[kind, name], "markdown"))
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)  # code is code
    found = {what: re.search(pattern, text, re.M) for what, pattern in MYST.items()}
    assert {what: match.group() for what, match in found.items() if match} == {}


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_links_lead_to_notebooks_beside_or_to_the_web(exported, kind, name):
    text = "\n\n".join(sources(exported[kind, name], "markdown"))
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"", text)
    local = {a or b for a, b in targets if not (a or b).startswith(("https://", "#"))}
    assert {target.partition("#")[0] for target in local} <= {f"{page}.ipynb" for page in PAGES}
    headings = {h.replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)}
    assert {a[1:] for a, _ in targets if a.startswith("#")} <= headings


@pytest.mark.parametrize("name", PAGES)
def test_both_kinds_have_the_same_cells_of_code(exported, name):
    exercise, solution = (sources(exported[kind, name]) for kind in KINDS)
    assert len(exercise) == len(solution)
    for blank, filled in zip(exercise, solution, strict=True):
        assert blank == filled or "TODO" in blank
        assert "TODO" not in filled


def marked():
    """Every class and function of the package that an exercise is made of, by its full name."""
    found = {}
    for module in walk_packages(condlesson.__path__, "condlesson."):
        if module.name == "condlesson.__main__":
            continue
        for name, obj in vars(import_module(module.name)).items():
            own = getattr(obj, "__module__", None) == module.name
            is_code = own and (inspect.isclass(obj) or inspect.isfunction(obj))
            if is_code and re.search(r"^ *# END (?:TODO|BUG|CURE)$", inspect.getsource(obj), re.M):
                found[f"{module.name}.{name}"] = obj
    return found


def plain(line):
    """A line of code without comment and space, by which we tell it again."""
    return re.sub(r"\s+|#.*", "", line)


def taught(page, exercises):
    """What a page itself says and shows: its text, its cells, and code that is no exercise."""
    shown = "\n".join(cell.source for cell in page.cells if "remove-cell" not in cell.tags)
    sources = re.findall(r"^```\{source\} (\S+)", shown, re.M)
    shown = re.sub(r"^```\{(?:solution|scaffold)\}.*?^```", "", shown, flags=re.M | re.S)
    others = [path.rpartition(".") for path in sources if path not in exercises]
    code = (scaffold.source(getattr(import_module(module), name)) for module, _, name in others)
    return "\n".join([shown, *code])


LONG = 20  # characters: shorter ones, such as `return emb`, are part of other lines by chance


def leaks(notebook, answers, page_teaches):
    """Answers that stand in a notebook, in code or text, and that its page does not teach."""
    lines = {plain(line) for cell in notebook.cells for line in cell.source.splitlines()}
    text, known = "\n".join(lines), "\n".join(map(plain, page_teaches.splitlines()))
    here = {a for a in answers if a in lines or (len(a) >= LONG and a in text)}
    return {answer for answer in here if answer not in known}


def test_every_mark_belongs_to_an_exercise_that_is_found():
    files = set(Path(condlesson.__file__).parent.rglob("*.py")) - {Path(scaffold.__file__)}
    marks = sum(len(re.findall(r"^ *# END (?:TODO|BUG|CURE)$", f.read_text(), re.M)) for f in files)
    assert marks == sum(inspect.getsource(obj).count("# END ") for obj in marked().values())
    assert len(marked()) >= 10


@pytest.mark.parametrize("name", PAGES)
def test_no_answer_stands_in_an_exercise_notebook(book, exported, name):
    """Of no exercise in the package, unless the page itself teaches that very line."""
    exercises = marked()
    answers = {plain(line) for obj in exercises.values() for line in scaffold.answer_lines(obj)}
    teaches = taught(book.pages[name], exercises)
    assert leaks(exported["exercises", name], answers - {""}, teaches) == set()


def test_a_leak_is_found(book, exported):
    answers = {plain(line) for line in scaffold.answer_lines(condlesson.AdaGN)}
    page = taught(book.pages["exercise-3"], marked())
    assert len(leaks(exported["solutions", "exercise-3"], answers, page)) >= 3


# --- the first cell ---------------------------------------------------------------------------


def run_setup(monkeypatch, here):
    """Commands of the first cell, where only the packages named are here."""
    commands = []
    setup = export.SETUP.format(wheel="https://example.org/a.whl")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in here or None)
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    exec(setup, {})
    return [command[2:] for command in commands]


def test_the_first_cell_installs_nothing_if_the_lesson_is_here(monkeypatch):
    assert run_setup(monkeypatch, {"condlesson", "torch", "numpy", "matplotlib"}) == []


@pytest.mark.parametrize("override", [None, "local.whl"])
def test_the_first_cell_installs_the_lesson_alone(monkeypatch, override):
    monkeypatch.delenv("CONDLESSON_WHEEL", raising=False)
    if override:
        monkeypatch.setenv("CONDLESSON_WHEEL", override)
    [command] = run_setup(monkeypatch, {"torch", "numpy", "matplotlib"})
    wheel = override or "https://example.org/a.whl"
    assert command == ["pip", "install", "--quiet", "--no-deps", wheel]


def test_the_first_cell_adds_what_is_missing(monkeypatch):
    _, command = run_setup(monkeypatch, {"torch"})
    assert command == ["pip", "install", "--quiet", "numpy", "matplotlib"]
    assert run_setup(monkeypatch, {"condlesson", "torch"}) == [command]


# --- the archive ------------------------------------------------------------------------------

# Runs a notebook without what only the book needs; the folder is the first place of imports.
CHILD = """
import json, sys
for name in ("torchvision", "safetensors", "jupytext", "nbformat", "myst_nb", "yaml", "tqdm"):
    sys.modules[name] = None
notebook, namespace = json.load(open(sys.argv[1])), {}
for cell in notebook["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), namespace)
import condlesson
print(condlesson.__file__)
"""


@pytest.fixture
def filled(tmp_path, exported):
    """A folder of notebooks."""
    for (kind, name), made in exported.items():
        path = tmp_path / "notebooks" / kind / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(made))
    return tmp_path / "notebooks"


def test_an_archive_runs_where_it_is_unpacked(filled, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    make_archive(filled, tmp_path / "a.zip")
    with ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "condlesson-lesson"
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.txt", "LICENSE", "LICENSE-TEXT", "condlesson"} | {
        f"{name}.ipynb" for name in PAGES
    }
    assert (folder / "condlesson" / "subset" / "README.md").is_file()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "exercise-1.ipynb"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).parent == folder / "condlesson"


def test_an_archive_holds_no_solution_and_no_leftovers(filled, tmp_path):
    make_archive(filled, tmp_path / "a.zip")
    with ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        text = archive.read("condlesson-lesson/README.txt").decode()
        made = archive.read("condlesson-lesson/exercise-3.ipynb")
    assert names == sorted(names)
    assert "jupyter lab exercise-1.ipynb" in text
    assert not any("__pycache__" in name or "/pages/" in name for name in names)
    assert made == (filled / "exercises" / "exercise-3.ipynb").read_bytes()
    assert "TODO" in json.dumps(json.loads(made))


def test_the_same_notebooks_give_the_same_archive(filled, tmp_path):
    for name in ("one", "two"):
        make_archive(filled, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_licences_of_a_checkout_are_its_own():
    root = Path(export.__file__).parents[3]
    assert export._licences() == {
        name: (root / name).read_bytes() for name in ("LICENSE", "LICENSE-TEXT")
    }


def test_the_licences_of_an_installed_package_lie_beside_it(monkeypatch, tmp_path):
    """What pip leaves behind, in a folder that holds the licence of somebody else as well."""
    lib, info = tmp_path / "site-packages", "condlesson-1.0.dist-info"
    (lib / info / "licenses").mkdir(parents=True)
    (lib.parent / "LICENSE.txt").write_text("of Python")
    lines = [f"{info}/METADATA,,", f"{info}/RECORD,,"]
    for name in ("LICENSE", "LICENSE-TEXT"):
        (lib / info / "licenses" / name).write_text(f"the {name}")
        lines.append(f"{info}/licenses/{name},,")
    (lib / info / "METADATA").write_text("Metadata-Version: 2.4\nName: condlesson\nVersion: 1.0\n")
    (lib / info / "RECORD").write_text("\n".join(lines))
    monkeypatch.setattr(export, "__file__", str(lib / "condlesson" / "notebooks" / "export.py"))
    monkeypatch.setattr(sys, "path", [str(lib)])
    assert export._licences() == {n: f"the {n}".encode() for n in ("LICENSE", "LICENSE-TEXT")}


def test_an_archive_of_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold exercise notebooks, got none"):
        make_archive(tmp_path, tmp_path / "a.zip")
