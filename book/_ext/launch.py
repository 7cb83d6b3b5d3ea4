"""Links that open a page's exercise notebook: in Colab, in Binder, on a JupyterHub, or as a file.

The theme's own launch buttons open the page's source, which is Markdown and which Colab cannot
open. These stand in their place, on pages that have an exercise notebook and nowhere else.

What the links name must be published: Colab and nbgitpuller read the branch `gh-pages`, which
`.ci/publish` fills with the built site; Binder runs `.binder/postBuild`. `.ci/publish` adds commits
and never replaces the branch, because nbgitpuller merges new ones into the folders that learners
work in. `tests/book/test_launch.py` follows each link to its file, and
`tests/browser/test_jupyterlab.py` opens what the Binder link names in the JupyterLab that
`requirements.txt` pins.

After a change in `.binder/`, look at what Binder would do; no container engine is needed. This
prints the Dockerfile:

    python3 -m venv ../repo2docker
    ../repo2docker/bin/pip install jupyter-repo2docker==2026.4.0
    ../repo2docker/bin/jupyter-repo2docker --no-build --debug .
"""

import html
from functools import cache
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.osutil import relative_uri

from condlesson.notebooks import addresses
from condlesson.notebooks.pages import Book


class Link(NamedTuple):
    """Where a page's notebook opens.

    Attributes:
        service: name that a reader knows.
        url: address that opens the notebook there.
        icon: the service's sign, as the theme ships it.
    """

    service: str
    url: str
    icon: str


def services(page: str, settings: dict[str, str]) -> list[Link]:
    """Links to the services that the settings name, for a page's notebook."""
    made = [
        ("Colab", "colab_url", addresses.colab_address, "logo_colab.png"),
        ("Binder", "binderhub_url", addresses.binder_address, "logo_binder.svg"),
        ("JupyterHub", "jupyterhub_url", addresses.jupyterhub_address, "logo_jupyterhub.svg"),
    ]
    return [
        Link(name, address(page, settings[key].rstrip("/")), f"_static/images/{icon}")
        for name, key, address, icon in made
        if settings.get(key)
    ]


@cache
def with_notebook(folder: str) -> frozenset[str]:
    """Names of the pages in a folder that become notebooks."""
    return frozenset(Book(Path(folder)).with_notebook)


def take_settings(app: Sphinx, config: Config) -> None:
    """Tell the theme where the repository is, and keep its launch buttons to ourselves."""
    options = config.html_theme_options
    options["repository_url"] = addresses.repository_url()
    config.launch_settings = options.pop("launch_buttons", {})


def add_line(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put the links below the page's title, where a reader on a phone sees them too."""
    if page not in with_notebook(app.srcdir):
        return
    links = [
        f'<a href="{html.escape(link.url)}" target="_blank" rel="noopener">Open in {link.service}'
        '<span class="visually-hidden">, in a new tab</span></a>'
        for link in services(page, app.config.launch_settings)
    ]
    download = relative_uri(app.builder.get_target_uri(page), addresses.notebook_path(page))
    links.append(f'<a href="{download}" download>Download the notebook</a>')
    markup = f'<nav class="launch" aria-label="Exercise notebook">{" ".join(links)}</nav>'
    title = doctree.next_node(nodes.title)
    if title is None:  # a fault, which is told by then
        return
    title.parent.insert(title.parent.index(title) + 1, nodes.raw("", markup, format="html"))


def add_buttons(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Add the links to the theme's buttons: a launch menu, and an entry of the download menu."""
    if page not in with_notebook(app.srcdir):
        return
    launch = [
        {
            "type": "link",
            "text": link.service,
            "url": link.url,
            "icon": link.icon,
            "tooltip": f"Open the exercise notebook in {link.service}",
        }
        for link in services(page, app.config.launch_settings)
    ]
    group = {
        "type": "group",
        "tooltip": "Open the exercise notebook",
        "icon": "fas fa-rocket",
        "buttons": launch,
        "label": "launch-buttons",
    }
    download = {
        "type": "link",
        "text": ".ipynb",
        "icon": "fas fa-code",
        "url": context["pathto"](addresses.notebook_path(page), 1),
        "tooltip": "Download the exercise notebook",
        "label": "download-notebook-button",
    }
    for button in context["header_buttons"]:
        if button.get("label") == "download-buttons":
            button["buttons"].insert(0, download)
    if launch:
        context["header_buttons"].insert(0, group)


def setup(app: Sphinx) -> dict:
    """Run before the theme reads its options, and after it has made its buttons (501)."""
    app.add_config_value("launch_settings", {}, "html", [dict])
    app.connect("config-inited", take_settings)
    app.connect("doctree-resolved", add_line)
    app.connect("html-page-context", add_buttons, priority=502)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
