"""Says what is wrong in _config.yml and _toc.yml, before a page runs.

Jupyter Book and Sphinx ignore settings that they do not know, and end with a traceback at others.
What can be told from the files alone, `wrong_files` tells before Jupyter Book starts. The names of
Sphinx's own settings, and of the theme's options, are known once the extensions are loaded.
"""

import importlib.util
import pkgutil
import posixpath
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import yaml
from jupyter_book.config import PATH_YAML_DEFAULT, get_validator
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

from papers import wrong_papers
from values import meant, value_at, wrong_values

__all__ = ["setup", "wrong_files"]

logger = logging.getLogger(__name__)

CONFIG, TOC = "_config.yml", "_toc.yml"
UNLISTED = {("project",), ("parse", "myst_substitutions")}  # read, though in no list
SUFFIXES = ("", ".md", ".ipynb", ".rst")
KEPT = {  # by their place; with others faults would pass a build without a word
    ("only_build_toc_files",): True,
    ("execute", "execute_notebooks"): "cache",
    ("execute", "allow_errors"): False,
    ("execute", "stderr_output"): "show",
    ("execute", "exclude_patterns"): [],
    ("sphinx", "config", "nb_execution_mode"): "cache",
    ("sphinx", "config", "nb_remove_code_source"): False,
    ("sphinx", "config", "nb_remove_code_outputs"): False,
    ("sphinx", "config", "nb_execution_allow_errors"): False,
    ("sphinx", "config", "nb_execution_raise_on_error"): True,
    ("sphinx", "config", "nb_execution_excludepatterns"): [],
    ("sphinx", "config", "nitpicky"): True,
    ("sphinx", "config", "nitpick_ignore"): [],
    ("sphinx", "config", "suppress_warnings"): [],
}


def wrong_files(root: Path) -> list[str]:
    """What is wrong with the two files of a book, a sentence each; names of settings included.

    Args:
        root: Folder of the two files; the pages are in `book`.
    """
    config, toc = (_tree(root / name) for name in (CONFIG, TOC))
    if told := [tree for tree in (config, toc) if isinstance(tree, str)]:
        return told
    return [*_wrong_config(root, config), *_wrong_toc(root, toc)]


def _tree(path: Path) -> yaml.MappingNode | str:
    """The keys and values of a file with their lines, or what is wrong with it."""
    try:
        text = path.read_bytes().decode("utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError:
        return f"{path.name} is missing beside the folder book. Take it from the repository again."
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"{path.name}, line {line}: it must be UTF-8 text. Save it as UTF-8."
    except yaml.MarkedYAMLError as error:
        mark = error.context_mark or error.problem_mark
        return (
            f"{path.name}, line {mark.line + 1}: it is no YAML: {error.problem}. Indent by spaces, "
            "and close brackets and quotes."
        )
    if not isinstance(tree, yaml.MappingNode):
        return f"{path.name} must hold keys with values, as `title: My book`, and holds none."
    return tree


def _wrong_config(root: Path, tree: yaml.MappingNode) -> Iterator[str]:
    schema = get_validator().schema["properties"]
    defaults = yaml.safe_load(PATH_YAML_DEFAULT.read_text("utf-8"))
    known = {*UNLISTED, *_paths(schema, lambda entry: entry.get("properties", {}))}
    known.update(_paths(defaults, lambda value: value if isinstance(value, dict) else {}))
    yield from _wrong_names(tree, known)
    settings = yaml.safe_load((root / CONFIG).read_text("utf-8"))
    for error in get_validator().iter_errors(settings):
        yield f"{CONFIG}: {': '.join(map(str, error.path))}: {error.message}. Give it such a value."
    yield from _weakened(settings)
    yield from (f"{CONFIG}: {fault}" for fault in wrong_values(root, settings))
    papers = settings.get("bibtex_bibfiles") or []
    for name in papers if isinstance(papers, list) else ():  # else the schema has said so
        yield from wrong_papers(root / "book" / str(name))
    sphinx = settings.get("sphinx") or {}
    local = sphinx.get("local_extensions") or {}
    sys.path.extend(str(root / folder) for folder in local.values())  # as Jupyter Book will
    for name in [*(sphinx.get("extra_extensions") or []), *local]:
        if not _spec(name):
            above, _, last = name.rpartition(".")
            parent = _spec(above) if above else None
            near = pkgutil.iter_modules(parent and parent.submodule_search_locations)
            cure = meant(last if parent else name.partition(".")[0], {it.name for it in near})
            yield f"{CONFIG}: there is no Sphinx extension {name}. {cure}"
            return
    for path in sorted((root / "book" / "_ext").rglob("[!.]*.py")):
        inside = path.relative_to(root / "book" / "_ext").with_suffix("")
        name = ".".join(inside.parts).removesuffix(".__init__")
        if name not in local and "\ndef setup(" in path.read_text("utf-8"):
            yield (
                f"{CONFIG}: sphinx: local_extensions: {name} is missing, and what it sees to would "
                f"not be seen to. Enter it: {name}: book/_ext."
            )


def _weakened(settings: dict) -> Iterator[str]:
    for place, kept in KEPT.items():
        value = value_at(settings, place, kept)
        if value != kept:
            yield (
                f"{CONFIG}: {': '.join(place)} must be {kept!r}, got {value!r}: faults would pass "
                "without a word. Mend what it would pass over."
            )


def _spec(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:  # what it lies in
        return None


def _paths(entries: dict, inside: Callable, at: tuple = ()) -> Iterator[tuple]:
    """Each name of a tree with all that it lies in."""
    for name, entry in entries.items():
        yield (*at, name)
        yield from _paths(inside(entry), inside, (*at, name))


def _wrong_names(tree: yaml.MappingNode, known: Collection[tuple], at: tuple = ()) -> Iterator[str]:
    """Names that are not known, where those at their place are, and names that stand twice."""
    names = {path[-1] for path in known if path[:-1] == at}
    seen = set()
    for key, value in tree.value:
        place = f"{CONFIG}, line {key.start_mark.line + 1}: {': '.join((*at, key.value))}"
        if names and key.value not in names:
            yield f"{place} is no setting of Jupyter Book. {meant(key.value, names)}"
        if key.value in seen:
            yield f"{place} stands there twice, and the first one would not count. Remove one."
        seen.add(key.value)
        if isinstance(value, yaml.MappingNode):
            yield from _wrong_names(value, known, (*at, key.value))


def _wrong_toc(root: Path, tree: yaml.MappingNode) -> Iterator[str]:
    try:
        parse_toc_yaml(root / TOC)
    except MalformedError as error:
        yield f"{TOC}: {error}. Write it as the entries beside it."
    yield from _odd_keys(tree)
    for key, value in _entries(tree):
        near = posixpath.normpath(value.value)
        if value.value and (value.value != near or near.startswith(("../", "/"))):
            near = near.removeprefix("../book/").lstrip("./")
            yield f"{TOC}, line {key.start_mark.line + 1}: write {near}, got {value.value}."
        elif not any((root / "book" / f"{value.value}{suffix}").is_file() for suffix in SUFFIXES):
            pages = {path.stem for path in (root / "book").glob("*.md")}
            line = key.start_mark.line + 1
            yield f"{TOC}, line {line}: there is no page {value.value}. {meant(value.value, pages)}"


def _odd_keys(node: yaml.Node) -> Iterator[str]:
    """Keys that stand twice, and captions without words."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    seen = set()
    for key, value in pairs:
        place = f"{TOC}, line {key.start_mark.line + 1}: {key.value}"
        if key.value in seen:
            yield f"{place} stands there twice, and the first one would not count. Join them."
        seen.add(key.value)
        if key.value in ("caption", "title") and not str(value.value).strip(" ~"):
            yield f"{place} has no words. Write some, or take it out."
        yield from _odd_keys(value)
    for entry in node.value if isinstance(node, yaml.SequenceNode) else ():
        yield from _odd_keys(entry)


def _entries(node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, yaml.ScalarNode]]:
    """Keys and values that name a page."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in ("file", "root"):
            yield key, value
        yield from _entries(value)
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _entries(entry)


def check_names(app: Sphinx, config: Config) -> None:
    """End the build if a name under `sphinx: config:` is none of Sphinx or its extensions."""
    names = config.values
    _end_if(
        f"sphinx: config: {name} is no setting of Sphinx or of an extension. {meant(name, names)}"
        for name in config.overrides
        if name not in names
    )


def check_options(app: Sphinx) -> None:
    """End the build if an option is none of the theme's, or of another type than its default."""
    if app.builder.format == "html":
        names = app.builder.theme.get_options()
        given = app.config.html_theme_options
        told = [
            f"html_theme_options: {name} is no option of the theme. {meant(name, names)}"
            for name in given
            if name not in names
        ]
        for name, (kind, pattern) in ((name, _kind(default)) for name, default in names.items()):
            if name in given and not re.fullmatch(pattern, str(given[name]), re.I):
                told.append(f"html_theme_options: {name} must be {kind}, got {given[name]!r}.")
        _end_if(told)


def _kind(default: object) -> tuple[str, str]:
    """What values an option can have, in words and as a pattern."""
    text = str(default)
    if text in ("True", "False"):
        return "true or false", "true|false"
    return ("a whole number", r"\d+") if text.isdigit() else ("anything", "(?s:.*)")


def _end_if(faults: Iterable[str]) -> None:
    if told := [f"{CONFIG}: {fault}" for fault in faults]:
        logger.error("\n".join(told))
        raise SystemExit(1)


def setup(app: Sphinx) -> dict:
    """Look as soon as the names are known."""
    app.connect("config-inited", check_names, priority=0)
    app.connect("builder-inited", check_options, priority=0)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
