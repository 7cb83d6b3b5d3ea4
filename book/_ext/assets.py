"""Stylesheets and scripts of the built pages: one small file each, from this site alone.

The theme brings a megabyte and a half of icons as script, stylesheets for things that no page
has, and scripts that load others from elsewhere. The page layout in `_templates` links one
stylesheet and one script instead, and this extension makes them when all pages are written: the
sheets in the theme's order without the rules that no page and no script can meet, and the scripts
that the pages need, one after the other. Icons become a font of the few that are shown.

A page asks its own site for all that it shows, and no other. It works from a folder, and has at
most 500 kB in 20 requests before one scrolls (`tests/browser/test_site.py`). There is no script
inside a page, so the Content-Security-Policy is `script-src 'self'` without exceptions, and
Chromium takes that for files in a folder too. A script of some pages lies in a place that its
extension adds to `html_static_path`, and comes with `app.add_js_file` in a handler of
`html-page-context`. A class that a script puts together from pieces is not found: write it whole.
"""

import base64
import hashlib
import io
import json
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import tinycss2
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.logging import getLogger
from tinycss2 import ast

import condlesson

logging.getLogger("fontTools").setLevel(logging.WARNING)  # or it tells of each glyph
PACKAGE = Path(condlesson.__file__).parent
SHEET, SCRIPT = "book.css", "book.js"
# What the theme's layout links by itself, before the sheets that Sphinx knows of.
THEME_SHEETS = (
    "basic.css",
    "styles/bootstrap.css",
    "styles/pydata-sphinx-theme.css",
    "vendor/fontawesome/6.5.2/css/all.min.css",
)
IGNORED_SHEETS = ("sphinx-thebe.css", "togglebutton.css")  # of scripts that are not in SCRIPTS
SCRIPTS = (
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "clipboard.min.js",
    "copybutton.js",
    "scripts/sphinx-book-theme.js",
    "scripts/pydata-sphinx-theme.js",
    "lesson.js",
    "predict.js",
)
ICONS = "vendor/fontawesome/6.5.2/webfonts/fa-solid-900.ttf"
OTHERS = ("mode.js", "searchtools.js", "language_data.js")  # each where it is needed
KEPT = (*OTHERS, SHEET, SCRIPT, "descriptions.js")
ICON = re.compile("[\ue000-\uf8ff]")  # the private use area, where icon fonts have their glyphs
# The address of a sheet or script of this site, with or without a version.
VERSIONED = re.compile(r'((?:src|href)=")((?:_static/|searchindex)[^"?]*\.(?:css|js))(?:\?v=\w+)?"')
# Settings of an extension that would run code on the pages, by a script from elsewhere.
THEBE = re.compile(
    r"<script type=\"text/x-thebe-config\">.*?</script>\s*<script>kernelName = .*?</script>", re.S
)
# Spans inside a signature that no sheet has a rule for, one in the other; they are a quarter of the
# reference pages.
SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.S)
PLAIN = re.compile(r'<span class="(?:pre|w|n|o|p|default_value)">([^<]*)</span>')
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; form-action 'self'; base-uri 'self'"
)
logger = getLogger(__name__)


def collect_sheets(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Note which sheets a page has, and leave it only those scripts that are its own."""
    context["content_security_policy"] = POLICY
    for sheet in sorted(context["css_files"], key=lambda sheet: sheet.priority):
        name = str(sheet.filename).removeprefix("_static/")
        is_of_an_editor = Path(name).name.startswith(".")  # which Jupyter Book finds in _static
        if name not in (*app.lesson_sheets, *IGNORED_SHEETS) and not is_of_an_editor:
            app.lesson_sheets.append(name)
    if "body" in context:
        context["body"] = SIGNATURE.sub(_plain, THEBE.sub("", context["body"])).replace(
            'role="doc-biblioentry"',
            'role="listitem"',  # of a list; the older role is no item
        )
    own = set(own_files(app)).difference(SCRIPTS, KEPT)
    for script in context["script_files"]:
        _warn_if_missing(app, page, str(script.filename or ""))
    context["script_files"] = [
        script
        for script in context["script_files"]
        if str(script.filename or "").removeprefix("_static/") in own
    ]


def _warn_if_missing(app: Sphinx, page: str, script: str) -> None:
    """Tell of a script that is asked for and lies nowhere; those of the site are there by now."""
    name = script.partition("?")[0]
    is_ours = name.startswith("_static/") and not name.startswith("_static/.")
    if is_ours and not Path(app.outdir, name).is_file():
        told = "the page asks for the script %s, and there is no such file. Write it."
        logger.warning(told, name.removeprefix("_static/"), location=page)


def own_files(app: Sphinx) -> dict[str, Path]:
    """What of the book's and the package's is in the site's `_static`, by its name there."""
    found = {}
    for entry in app.config.html_static_path:
        place = Path(app.confdir, entry)
        ours = (app.srcdir, app.doctreedir, PACKAGE)
        if not any(map(place.is_relative_to, ours)):  # of another extension
            continue
        files = [place] if place.is_file() else sorted(filter(Path.is_file, place.rglob("*")))
        root = place.parent if place.is_file() else place
        found |= {path.relative_to(root).as_posix(): path for path in files}
    return found


def write_assets(app: Sphinx, error: Exception | None) -> None:
    """Write the sheet and the script, and remove what they are made of."""
    static, own = Path(app.outdir) / "_static", own_files(app)
    if error:
        return
    if not (static / THEME_SHEETS[0]).is_file():  # no page was written: the last files are good
        _remove_parts(static, own)
        return
    for name in SCRIPTS + OTHERS:
        if not (static / name).is_file():
            raise ExtensionError(f"the pages need the script {name}, and it is gone. Take it back.")
    scripts = {name: _without_map((static / name).read_text("utf-8")) for name in SCRIPTS + OTHERS}
    script = "\n;".join(scripts[name] for name in SCRIPTS)
    (static / SCRIPT).write_text(script, "utf-8")
    pages = [path.read_text("utf-8") for path in sorted(Path(app.outdir).rglob("*.html"))]
    ours = [path.read_text("utf-8") for path in own.values() if path.suffix == ".js"]
    used = _words(" ".join([*scripts.values(), *ours])).union(*map(_names, pages))
    sheets = {name: (static / name).read_text("utf-8") for name in app.lesson_sheets}
    sheet = _kept(app, sheets, used, script)
    for address in re.findall(r"url\(['\"]?(?!data:|#|\w+:)([^'\")?#]+)", sheet):
        if not (static / address).is_file():
            raise ExtensionError(f"a style sheet shows {address}, and there is no such file.")
    (static / SHEET).write_text(sheet + _icon_font(static / ICONS, sheet), "utf-8")
    _remove_parts(static, own)
    _remove_superseded(Path(app.outdir))
    _name_versions(Path(app.outdir))


def _words(script: str) -> set[str]:
    """Words of a script, and the attributes that it sets as `dataset.someName`."""
    words = set(re.findall(r"[A-Za-z][\w-]*", script))
    data = re.findall(r"dataset\.(\w+)", script)
    return words | {re.sub(r"[A-Z]", lambda c: f"-{c[0].lower()}", f"data-{name}") for name in data}


def _names(page: str) -> set[str]:
    """Elements, attributes, classes and ids of a page."""
    names = set(re.findall(r"<([a-z][\w-]*)", page)) | set(re.findall(r"\s([a-z][\w-]*)=", page))
    return names.union(*map(str.split, re.findall(r'(?:class|id)="([^"]*)"', page)))


def _kept(app: Sphinx, sheets: dict[str, str], used: set[str], script: str) -> str:
    """The purged sheet; that of the last build if nothing changed that it depends on."""
    inputs = json.dumps([sheets, sorted(used), script, Path(__file__).read_text("utf-8")])
    kept = Path(app.doctreedir, f"sheet-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}.css")
    if not kept.is_file():
        for old in kept.parent.glob("sheet-*.css"):
            old.unlink()
        rules = [rule for name, text in sheets.items() for rule in _rules(name, text)]
        partial = kept.with_suffix(".partial")
        partial.write_text(_purge(rules, used, set(re.findall(r"--[\w-]+", script))), "utf-8")
        partial.replace(kept)  # or a sheet that was cut short would be kept for good
    return kept.read_text("utf-8")


def _plain(signature: re.Match) -> str:
    return PLAIN.sub(r"\1", PLAIN.sub(r"\1", signature[0]))


def _without_map(text: str) -> str:
    return re.sub(r"(?m)^//# sourceMappingURL=.*$|/\*# sourceMappingURL=.*?\*/", "", text)


def _rules(name: str, text: str) -> Iterator[ast.Node]:
    """Rules of a sheet, with addresses relative to the one sheet."""
    if folder := Path(name).parent.as_posix().removeprefix("."):
        text = re.sub(r"url\((['\"]?)(?!['\"]|data:|#)", rf"url(\1{folder}/", text)
    for rule in tinycss2.parse_stylesheet(text, skip_whitespace=True):
        if rule.type == "error":
            raise ExtensionError(f"{name}, line {rule.source_line}: it is no CSS: {rule.message}.")
        if rule.type != "comment" or rule.value.startswith("!"):  # whose it is, and its licence
            yield rule


def _purge(rules: list[ast.Node], used: set[str], variables: set[str]) -> str:
    """What can meet something, and of that the variables that something reads."""
    sheet = "\n".join(_purged(rules, used, None))
    while True:
        read = variables | set(re.findall(r"var\(\s*(--[\w-]+)", sheet))
        smaller = "\n".join(_purged(tinycss2.parse_stylesheet(sheet), used, read))
        if smaller == sheet:
            return sheet
        sheet = smaller


def _purged(rules: Iterable[ast.Node], used: set[str], variables: set[str] | None) -> Iterator[str]:
    """Rules that can meet something of what is used, with the variables named, or with all."""
    for rule in rules:
        if rule.type == "comment":
            yield f"/*{rule.value}*/"
        elif rule.type == "qualified-rule":
            kept = [part for part in _selectors(rule.prelude) if _can_match(part, used)]
            if kept and (content := _declarations(rule.content, variables)):
                yield f"{','.join(map(_text, kept))}{{{content}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
            inside = tinycss2.parse_rule_list(rule.content, True, True)
            if kept := list(_purged(inside, used, variables)):
                yield f"@{rule.at_keyword} {_text(rule.prelude)}{{{''.join(kept)}}}"
        elif rule.type == "at-rule" and rule.content is not None:
            text = f"@{rule.at_keyword} {_text(rule.prelude)}{{{_text(rule.content)}}}"
            if "Font Awesome" not in text and "FontAwesome" not in text:
                yield text


def _declarations(content: list[ast.Node], variables: set[str] | None) -> str:
    """A rule's inside, without variables that nothing reads."""
    return ";".join(
        f"{item.name}:{_text(item.value)}{'!important' if item.important else ''}"
        for item in tinycss2.parse_blocks_contents(content, True, True)
        if item.type == "declaration"
        and (variables is None or not item.name.startswith("--") or item.name in variables)
    )


def _text(tokens: Iterable[ast.Node]) -> str:
    """CSS without comments and superfluous spaces."""
    text = tinycss2.serialize([token for token in tokens if token.type != "comment"])
    return re.sub(r"\s+", " ", text).strip()


def _selectors(prelude: list[ast.Node]) -> Iterator[list[ast.Node]]:
    """The selectors of a rule, which commas part."""
    part = []
    for token in [*prelude, None]:
        if token is None or token == ",":
            yield part
            part = []
        else:
            part.append(token)


def _can_match(selector: list[ast.Node], used: set[str]) -> bool:
    """Whether all that a selector names outside brackets and pseudo-classes is on some page."""
    before = None
    for token in selector:
        if token.type == "hash":
            needed = token.value
        elif token.type == "ident" and before != ":":
            needed = token.value if before == "." else token.lower_value
        elif token.type == "[] block":
            needed = next((part.value for part in token.content if part.type == "ident"), None)
        else:
            needed = None
        if needed is not None and needed not in used:
            return False
        before = token.value if token.type == "literal" else None
    return True


def _icon_font(path: Path, sheet: str) -> str:
    """A rule that holds the font of the icons that a sheet names; theirs is the OFL 1.1 licence."""
    escaped = re.sub(r"\\([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), sheet)
    font = TTFont(path, recalcTimestamp=False)  # the same icons, the same bytes
    subsetter = Subsetter(Options(name_IDs=[], notdef_outline=False))
    subsetter.populate(unicodes={ord(icon) for icon in ICON.findall(escaped)})
    subsetter.subset(font)
    font.flavor = "woff"
    font.save(file := io.BytesIO())
    data = base64.b64encode(file.getvalue()).decode()
    return (
        '\n@font-face{font-family:"Font Awesome 6 Free";font-weight:900;font-display:block;'
        f'src:url(data:font/woff;base64,{data}) format("woff")}}\n'
    )


def _name_versions(out: Path) -> None:
    """Add to each address of a sheet or script a digest, so that no browser takes an old one."""
    digests: dict[str, str] = {}

    def named(link: re.Match) -> str:
        file = out / link[2]
        if not file.is_file():
            return link[0]
        if link[2] not in digests:
            digests[link[2]] = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
        return f'{link[1]}{link[2]}?v={digests[link[2]]}"'

    for page in sorted(out.glob("*.html")):
        text = page.read_text("utf-8")
        if (versioned := VERSIONED.sub(named, text)) != text:
            page.write_text(versioned, "utf-8")


def _remove_parts(static: Path, own: Iterable[str]) -> None:
    """Remove what no page asks for: parts of the two files, source maps, the icons' fonts."""
    for path in sorted(static.rglob("*"), reverse=True):
        name = path.relative_to(static)
        is_ours = str(name) in own and name.suffix != ".css" and str(name) not in SCRIPTS
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif not is_ours and path.name not in KEPT and name.parts[0] != "images":
            path.unlink()


def _remove_superseded(out: Path) -> None:
    """Remove images that no page shows any more: outputs of cells that have run again."""
    pages = " ".join(path.read_text("utf-8") for path in out.rglob("*.html"))
    for image in out.glob("_images/*"):
        if image.name not in pages:
            image.unlink()


def setup(app: Sphinx) -> dict:
    """Work after the theme and the other extensions."""
    app.lesson_sheets = list(THEME_SHEETS)
    app.connect("html-page-context", collect_sheets, priority=900)
    app.connect("build-finished", write_assets, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
