"""Templates and the links in them: a misspelt name shows nothing, and Jinja says nothing of it.

Every name that a template of the book asks for must be one that Sphinx, the theme or an extension
gives to some page. Every link of a page that was written must lead to a file of the site: those in
the text are looked at before (`raw_links`), these stand around it.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from jinja2 import (
    Environment,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
)
from jinja2 import nodes as syntax
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from raw_links import PUBLISHED

LINK = re.compile(r'<a\s[^>]*?href="(?!#|[a-z]+:|//)([^"#?]*)')
logger = logging.getLogger(__name__)


def render(environment: Environment, name: str, **context: object) -> str:
    """A part of a page from a template, in which every name must be one of the context.

    Raises:
        ExtensionError: The template is broken, or a name of it is not one; the message says which.
    """
    try:
        return environment.overlay(undefined=StrictUndefined).get_template(name).render(context)
    except TemplateError as error:
        raise ExtensionError(f"{name}: {error}. Mend the template.") from error


def note_names(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Remember what a page's templates can ask for, and that it is written."""
    app.given_names |= context.keys()
    app.pages_written.append(page)


def look(app: Sphinx, exception: Exception | None) -> None:
    """Warn of names that no page has, and of links to nothing."""
    if exception is not None or app.builder.name != "html":
        return
    if app.env.found_docs <= set(app.pages_written):  # else no template has changed
        for told in _unknown_names(app):
            logger.warning(told)
    written = reversed(app.pages_written)
    dead = {link: page for page in written for link in _dead_links(Path(app.outdir), page)}
    for link, page in dead.items():
        told = "a link around the text leads to %s, and there is no such file. Mend its template."
        logger.warning(told, link, location=page)


def _unknown_names(app: Sphinx) -> Iterator[str]:
    environment: Environment = app.builder.templates.environment
    trees = list(_trees(environment, Path(app.srcdir, "_templates")))
    known = app.given_names | environment.globals.keys()
    known |= {name for _, tree in trees for name in _set_names(tree)}
    for folder in app.builder.theme.get_theme_dirs():  # where some are asked for, and may be none
        for _, tree in _trees(environment, Path(folder)):
            known |= meta.find_undeclared_variables(tree)
    for template, tree in trees:
        for name in sorted(meta.find_undeclared_variables(tree) - known):
            yield f"{template}: nothing is called {name}, and it would show nothing. Mend the name."


def _trees(environment: Environment, folder: Path) -> Iterator[tuple[str, syntax.Template]]:
    for path in sorted(folder.glob("[!.]*.html")):
        yield path.name, environment.parse(path.read_text("utf-8"))


def _set_names(tree: syntax.Template) -> Iterator[str]:
    """Names that a template gives to what it includes."""
    for name in tree.find_all(syntax.Name):
        if name.ctx in ("store", "param"):
            yield name.name


def _dead_links(site: Path, page: str) -> Iterator[str]:
    text = (site / f"{page}.html").read_text("utf-8")
    for written in sorted(set(LINK.findall(text))):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(written)))
        if not target.endswith(PUBLISHED) and not (site / target).exists():
            yield written


def begin(app: Sphinx) -> None:
    """Refuse templates that cannot be used; nothing is written yet."""
    app.given_names, app.pages_written = set(), []
    if app.builder.name == "html" and (told := list(_broken(app))):
        raise ExtensionError("\n".join(told))


def _broken(app: Sphinx) -> Iterator[str]:
    environment: Environment = app.builder.templates.environment
    for path in sorted(Path(app.srcdir, "_templates").rglob("[!.]*.html")):
        try:
            for name in meta.find_referenced_templates(environment.parse(path.read_text("utf-8"))):
                environment.loader.get_source(environment, name)
        except TemplateSyntaxError as error:
            yield f"{path.name}, line {error.lineno}: {error.message} Mend the template."
        except TemplateNotFound:
            yield f"{path.name}: there is no template {name}. Mend its name."


def setup(app: Sphinx) -> dict:
    """Look when all pages are written."""
    app.connect("builder-inited", begin)
    app.connect("html-page-context", note_names, priority=999)
    app.connect("build-finished", look, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
