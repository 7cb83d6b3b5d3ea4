"""Reads pages, and says what of their form stops a build: each with page, line and cure."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import takewhile
from pathlib import Path

from myst_nb.core.config import NbParserConfig, Section
from myst_nb.core.read import (
    MystMetadataParsingError,
    is_myst_markdown_notebook,
    read_myst_markdown_notebook,
)
from nbformat import NotebookNode, ValidationError

from execution.scrutiny import unknown_tags

__all__ = ["FormError", "not_in_contents", "read_page", "wrong_cells", "wrong_front"]

# What MyST-NB reads of a cell's options, by the way to them; it passes all else over.
OPTIONS = {
    (): {"tags", "mystnb"},
    ("mystnb",): {
        field.metadata.get("cell_key", field.name)
        for field in fields(NbParserConfig)
        if Section.cell_lvl in field.metadata.get("sections", ())
    },
    ("mystnb", "figure"): {"align", "caption", "caption_before", "classes", "name"},
    ("mystnb", "image"): {"align", "alt", "classes", "height", "scale", "width"},
}
TEXTS = {"alt", "caption", "name"}
ALIGNS = ("left", "center", "right")
PAGES = {".md", ".markdown", ".rst", ".ipynb"}  # what somebody may take for a page
CURE = "Use subprocess.run([...], check=True)."
HIDDEN = {  # code whose failure nobody would see, and what to say of it
    r"^\s*(?:[\w, ]+=\s*)?!(?!=)": f"a command behind ! may fail, and nobody would see it. {CURE}",
    r"^\s*(?:[\w, ]+=\s*)?%{1,2}(?:sx|system)\b|\bos\.(?:system|popen)\("
    r"|\bget_ipython\(\)\.(?:system|getoutput)\(": (
        f"a command of the system may fail, and nobody would see it. {CURE}"
    ),
    r"\bsubprocess\.(?:call|Popen|getoutput)\(|\bsubprocess\.run\((?![\s\S]*?\bcheck=)|"
    r"^\s*%%(?:bash|sh|script)\b": f"a command may fail here, and nobody would see it. {CURE}",
    r"^\s*%(?:pip|conda)\b": (
        "pages install nothing. Name the package in pyproject.toml, and run `make lock`."
    ),
    r"^\s*%%writefile\b": "pages write no files. Take it out.",
    r"\bbreakpoint\(\)|^\s*[\w.]+\?{1,2}\s*$": "this waits for somebody who asks. Take it out.",
    r"--no-raise-error\b": "--no-raise-error hides an exception. Take it out.",
    r"^\s*%%capture\b": "%%capture hides an exception as well. Take it out.",
    r"^\s*%?(?:exit|quit)(?:\(\))?\s*;?$": "this ends the kernel before the page. Take it out.",
}
BY_CHANCE = re.compile(  # what comes out another way each time, and cannot be seeded
    r"\b(?:default_rng|RandomState|Random)\(\s*(?:None)?\s*\)|\b(?:os\.urandom|uuid\.uuid[14]"
    r"|secrets\.\w+|SystemRandom|torch\.seed)\("
)
NO_CODE = re.compile(r"#.*|(\"\"\"|''')[\s\S]*?\1")  # comments, and texts of many lines
DRAWN = re.compile(  # from the state that all share; torch's begins the same in every process
    r"(?<![\w.])(np\.random|numpy\.random|random)\.(?!default_rng|get_?state|set_?state)[a-z]\w*\("
)
FRONT = {"execution", "html_meta", "jupytext", "kernelspec", "myst", "mystnb", "notebook", "orphan"}
READ = {"file_format", "source_map", "language_info"}  # what reading a page adds
COMMENT = re.compile(r"""^\s*-?\s*[\w-]+:\s+(?!["'\[{|>])\S.*\s#""")
CELL = re.compile(r"\s*(?:`{3,}|:{3,})\{code-cell\}\s*(\S*)")
LANGUAGES = ("", "ipython3", "ipython", "python", "python3")
GLUED_BY_CODE = re.compile(r"""\bglue\((?!\s*(?:name\s*=\s*)?["'])""")
GLUED = re.compile(r"""\bglue\(\s*["']([^"']+)["']""")


class FormError(ValueError):
    """A page cannot be read; the message says where, why, and what to do."""


def read_page(path: Path) -> NotebookNode | None:
    """The cells of a page that has some that run; None of any other.

    Raises:
        FormError: It is no text in UTF-8, or what a cell or the page says of itself is no YAML.
    """
    raw = path.read_bytes()
    if raw.startswith(BOM_UTF8):  # Sphinx would drop it, and others take it for text
        raise FormError(
            f"{path.name}, line 1: it must begin with its text, got a byte order mark. Save it as "
            "UTF-8 without one."
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise FormError(
            f"{path.name}, line {line}: it must be UTF-8 text, got the byte 0x{byte:02x}. Save it "
            "as UTF-8."
        ) from error
    if "\0" in text:  # what Markdown would replace by another character
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FormError(f"{path.name}, line {line}: it must be text, got the byte 0x00. Delete it.")
    try:
        if path.suffix != ".md" or not is_myst_markdown_notebook(text):
            return None
        return read_myst_markdown_notebook(text, add_source_map=True, path=path)
    except ValidationError as error:
        cure = "Tags are a list, in brackets: `:tags: [hide-input]`."
        if "kernelspec" in error.path or "kernelspec" in error.message:
            cure = "Below `kernelspec:` stands `name: python3`, indented."
        raise FormError(f"{path.name}: {error.message}. {cure}") from error
    except MystMetadataParsingError as error:
        number, line = re.search(r"cell (\d+) at line (\d+)", str(error)).groups()
        raise FormError(
            f"{path.name}, line {line}, code cell {number}: its options are no YAML. Indent by "
            "spaces, close brackets and quotes, and end the options with a line of their own: an "
            "empty one behind `:tags:`, or `---`."
        ) from error


def wrong_cells(path: Path, notebook: NotebookNode) -> Iterator[str]:
    """What cells say of themselves, and nothing hears: it would go unnoticed."""
    text = "\n".join(
        str((cell.metadata.get("mystnb") or {}) if cell.cell_type == "code" else cell.source)
        for cell in notebook.cells
    )
    lines, written = notebook.metadata.source_map, path.read_text("utf-8").splitlines()
    for number, line in enumerate(written, 1):
        if (found := CELL.match(line)) and found[1] not in LANGUAGES:
            told = f"its cells are run as Python, got {found[1]}. Write {{code-cell}} ipython3."
            yield f"{path.name}, line {number}: {told}"
    above = ""
    for cell, line in zip(notebook.cells, lines, strict=True):
        if cell.cell_type == "code":
            options = _written_options(written[line:])
            found = [*_lost_in_yaml(options), *_unknown_tags(cell), *_unknown_options(cell)]
            above += f"{cell.source}\n"
            found += [*_unused(cell, text), *_hidden(cell), *_unseeded(cell.source, above)]
            yield from (f"{path.name}, line {line + 1}: {told}" for told in found)


def wrong_front(path: Path, notebook: NotebookNode) -> Iterator[str]:
    """What the front matter says and nothing hears, or could not use."""
    for key in sorted(set(notebook.metadata) - FRONT - READ):
        yield (
            f"{path.name}: {key} in the front matter is not known. There are "
            f"{', '.join(sorted(FRONT))}."
        )
    for key in ("execution", "mystnb"):
        if not isinstance(notebook.metadata.get(key, {}), dict):
            yield f"{path.name}: {key} in the front matter must hold settings of its own."
            return
    for name in notebook.metadata.get("mystnb", {}):
        if name.startswith("execution"):
            yield (
                f"{path.name}: {name} in the front matter is not heard, since the build runs every "
                "page. Take it out; the tag skip-execution leaves out a cell."
            )
    execution = notebook.metadata.get("execution", {})
    for name in sorted(set(execution) - {"timeout"}):
        yield f"{path.name}: execution: {name} in the front matter is not known. There is timeout."
    lines = path.read_text("utf-8").splitlines()
    front = takewhile(lambda line: line != "---", lines[1:] if lines[:1] == ["---"] else [])
    for told in _lost_in_yaml(list(front)):
        yield f"{path.name}, in the front matter: {told}"
    limit = execution.get("timeout", 1)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        yield f"{path.name}: execution: timeout must be whole seconds from 1 on, got {limit!r}."


def _written_options(lines: list[str]) -> list[str]:
    """The options of a cell, in YAML, from what stands behind its first line."""
    if lines[:1] == ["---"]:
        return list(takewhile(lambda line: line != "---", lines[1:]))
    return [line[1:] for line in takewhile(lambda line: line.startswith(":"), lines)]


def _lost_in_yaml(options: list[str]) -> Iterator[str]:
    """What YAML drops of options without a word: all behind a #, and the first of two."""
    for line in filter(COMMENT.match, options):
        yield f"`{line.strip()}`: YAML drops what stands behind #. Put the text in quotes."
    above: list[tuple[int, set[str]]] = []  # indent of each level, and its names so far
    for line in options:
        found = re.match(r"(\s*)([\w-]+):(?:\s|$)", line)
        if not found:
            continue
        indent = len(found[1])
        above = [level for level in above if level[0] <= indent]
        if not above or above[-1][0] < indent:
            above.append((indent, set()))
        if found[2] in above[-1][1]:
            yield f"the option {found[2]} stands twice, and the first is dropped. Leave one."
        above[-1][1].add(found[2])


def _hidden(cell: NotebookNode) -> Iterator[str]:
    yield from (told for code, told in HIDDEN.items() if re.search(code, cell.source, re.M))


def _unseeded(code: str, above: str) -> Iterator[str]:
    code, above = NO_CODE.sub("", code), above.replace("numpy.random", "np.random")
    if found := BY_CHANCE.search(code):
        yield f"{found[0]} gives other numbers each time. Draw from a generator with a seed."
    for found in DRAWN.finditer(code):
        if f"{found[1].replace('numpy', 'np')}.seed(" not in above:
            yield (
                f"{found[0]} draws other numbers each time. Seed them: {found[1]}.seed(0), or "
                "draw from a generator with a seed."
            )
            return


def _unknown_tags(cell: NotebookNode) -> Iterator[str]:
    for tag in unknown_tags(cell):
        yield f"the tag {tag} is not known. Is it spelt right?"


def _unknown_options(cell: NotebookNode) -> Iterator[str]:
    for way, known in OPTIONS.items():
        options = cell.metadata
        for name in way:
            options = options.get(name) or {}
        if not isinstance(options, dict):
            yield f"the option {way[-1]} must hold options of its own, got {options!r}."
            return
        for name in sorted(set(options) - known):
            whole = ": ".join([*way, name])
            yield f"the option {whole} is not known. There are {', '.join(sorted(known))}."
        for name in sorted(set(options) & TEXTS):
            if not isinstance(options[name], str):
                yield f"{name} must be a text, got {options[name]!r}. Put it in quotes."
        if options.get("align", "left") not in ALIGNS:
            yield f"align must be one of {', '.join(ALIGNS)}, got {options['align']}."
    tags, drawn = set(cell.metadata.get("tags", [])), cell.metadata.get("mystnb") or {}
    if drawn.get("figure") and (gone := tags & {"remove-cell", "remove-output"}):
        yield f"its figure is not shown, since it has the tag {min(gone)}. Take one of them out."


def _unused(cell: NotebookNode, text: str) -> Iterator[str]:
    if GLUED_BY_CODE.search(cell.source):
        yield 'the name of what is glued must be a plain text: glue("loss", loss).'
    for name in GLUED.findall(cell.source):
        if not re.search(rf"\{{glue[^}}]*\}}[`\s]+{re.escape(name)}(?![\w-])", text):
            yield f"{name} is glued, and no text of the page shows it. Show it, or take it away."


def not_in_contents(folder: Path, found: Iterable[str]) -> Iterator[str]:
    """Pages that lie in the book's folder, or below it, and that nobody would find."""
    known = set(found)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        is_ours = any(part.startswith(("_", ".")) for part in inside.parts)
        if is_ours or path.suffix.lower() not in PAGES:
            continue
        if path.suffix != ".md" or inside.with_suffix("").as_posix() not in known:
            yield (
                f"{inside.as_posix()} is not in _toc.yml as a page in MyST, NAME.md. Enter it "
                "there, or take it out of the folder."
            )
