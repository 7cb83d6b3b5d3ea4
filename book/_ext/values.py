"""Says which values of _config.yml could not do what they say, before a page runs.

Sphinx and the theme take any language, folder, address, style and sheet, and show nothing of one
that is none.
"""

import gettext
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path

import sphinx
from pybtex.plugin import enumerate_plugin_names

from papers import is_address
from raw_links import POLICY
from tags import Tags

CATALOGUES = Path(sphinx.__file__).parent / "locale"
THEME = ("sphinx", "config", "html_theme_options")
FOLDERS = (("repository", "path_to_book"), (*THEME, "path_to_docs"))
ADDRESSES = (
    ("repository", "url"),
    ("html", "baseurl"),
    ("launch_buttons", "colab_url"),
    ("launch_buttons", "binderhub_url"),
    ("launch_buttons", "jupyterhub_url"),
)
BLOCKED = (  # which load a script from elsewhere
    ("launch_buttons", "thebe"),
    ("html", "comments"),
    ("html", "analytics"),
    ("html", "google_analytics_id"),
    ("sphinx", "config", "comments_config"),
    (*THEME, "analytics"),
)
MARKUP = (
    ("html", "extra_footer"),
    ("html", "extra_navbar"),
    ("html", "announcement"),
    (*THEME, "announcement"),
    (*THEME, "extra_footer"),
)
STYLES = {
    "bibtex_reference_style": "sphinxcontrib.bibtex.style.referencing",
    "bibtex_default_style": "pybtex.style.formatting",
}
SHEETS = ("html_css_files", "html_js_files")


def value_at(settings: object, place: tuple[str, ...], default: object = None) -> object:
    """The value at a place of the settings."""
    for name in place:
        settings = settings.get(name, default) if isinstance(settings, Mapping) else default
    return settings


def wrong_values(root: Path, settings: Mapping) -> Iterator[str]:
    """What is wrong with values, each with its place.

    Args:
        root: Folder of _config.yml; the pages are in `book`.
        settings: What it holds.
    """
    for faults in (_wrong_language, _wrong_styles):
        yield from faults(settings)
    for place in FOLDERS:
        value = value_at(settings, place, "")
        if not (root / str(value)).is_dir():
            yield f"{': '.join(place)} must be a folder of the repository, got {value}. Mend it."
    for place in ADDRESSES:
        value = value_at(settings, place)
        if value and not is_address(str(value)):
            told = f"{': '.join(place)} must be empty or an address with https://, got {value}."
            yield f"{told} Mend it."
    for place in BLOCKED:
        if _is_set(value_at(settings, place)):
            yield f"{': '.join(place)} would do nothing: {POLICY} Take it out."
    for place in MARKUP:
        yield from (
            f"{': '.join(place)}: {fault}" for fault in _open_tags(value_at(settings, place))
        )
    for name in SHEETS:
        yield from _wrong_sheets(root, name, value_at(settings, ("sphinx", "config", name)))


def _wrong_language(settings: Mapping) -> Iterator[str]:
    language = value_at(settings, ("sphinx", "config", "language"), "en")
    if not isinstance(language, str):  # YAML reads the word no as False
        yield f"sphinx: config: language must be a text, got {language!r}. Put it in quotes."
        return
    is_there = gettext.find("sphinx", CATALOGUES, [language])
    if not is_there and language.partition("_")[0] != "en":
        known = ["en", *(path.name for path in CATALOGUES.iterdir() if path.is_dir())]
        told = f"sphinx: config: language must be one that Sphinx speaks, got {language}."
        yield f"{told} {meant(language, known)}"


def _wrong_styles(settings: Mapping) -> Iterator[str]:
    for name, group in STYLES.items():
        value = str(value_at(settings, ("sphinx", "config", name)) or "")
        known = {entry.name for entry in entry_points(group=group)}
        if group.startswith("pybtex"):
            known.update(enumerate_plugin_names(group))
        if value and value not in known:
            yield f"sphinx: config: {name}: there is no style {value}. {meant(value, known)}"


def _wrong_sheets(root: Path, name: str, files: object) -> Iterator[str]:
    static = root / "book" / "_static"
    if isinstance(files, str):
        yield f"sphinx: config: {name} must be a list, got {files}. Write [{files}]."
    for entry in files if isinstance(files, list) else ():
        file = str(entry[0] if isinstance(entry, list) and entry else entry)
        place = f"sphinx: config: {name}:"
        if is_address(file):
            yield f"{place} {file}: {POLICY} Take a copy into book/_static."
        elif not (static / file).is_file():
            known = [path.name for path in static.iterdir()] if static.is_dir() else []
            yield f"{place} there is no file book/_static/{file}. {meant(file, known)}"


def _is_set(value: object) -> bool:
    """Whether something in a value says more than no."""
    if isinstance(value, Mapping):
        return any(map(_is_set, value.values()))
    return bool(value)


def _open_tags(value: object) -> list[str]:
    return [told for told, _ in Tags().read(value).faults()] if isinstance(value, str) else []


def meant(name: str, names: Collection[str]) -> str:
    """What may be meant by a name that is none, or what to do."""
    near = get_close_matches(name, names, 1)
    return f"Is {near[0]} meant?" if near else "Take it out, or look up how it is spelt."
