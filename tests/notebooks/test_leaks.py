"""No exercise notebook holds an answer, to no exercise."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import condlesson
from condlesson import scaffold
from tests.notebooks.made import PAGES

pytestmark = pytest.mark.slow


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
