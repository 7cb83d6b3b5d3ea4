"""Addresses: of the repository, of what it publishes, and of the services that open a notebook.

The repository's address is one setting, `repository.url` in `_config.yml`; all others follow from
it. Continuous integration sets the environment variable CONDLESSON_REPOSITORY instead, so that a
fork publishes under its own name. An installed package brings the settings that it was built with.
"""

import os
import re
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import condlesson

__all__ = [
    "ARCHIVE",
    "PUBLISHED",
    "WHEEL",
    "binder_address",
    "colab_address",
    "is_published",
    "jupyterhub_address",
    "notebook_path",
    "repository_url",
    "site_address",
    "source_branch",
    "wheel_address",
]

PUBLISHED = "gh-pages"  # the branch with the built site, the notebooks and the wheel
WHEEL = f"condlesson-{condlesson.__version__}-py3-none-any.whl"
ARCHIVE = "condlesson-lesson.zip"
INSTALLED = Path(__file__).parents[1] / "pages" / "_config.yml"
CONFIG = INSTALLED if INSTALLED.is_file() else Path(__file__).parents[3] / "_config.yml"
SITES = {"github.com": "github.io", "gitlab.com": "gitlab.io", "codeberg.org": "codeberg.page"}


def repository_url() -> str:
    """Address of the repository, without a slash at its end.

    It comes from the environment variable CONDLESSON_REPOSITORY, else from `_config.yml` of the
    checkout or of the installed package.

    Raises:
        ValueError: The address is not of the form `https://host/owner/name`, or there is none.
    """
    url = os.environ.get("CONDLESSON_REPOSITORY") or _setting("url")
    url = url.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://[^/\s?#]+/[^/\s?#]+/[^/\s?#]+", url):
        raise ValueError(
            f"the repository's address must be https://host/owner/name, got {url!r}. "
            "Set repository.url in _config.yml, or CONDLESSON_REPOSITORY."
        )
    return url


def is_published() -> bool:
    """Whether anybody publishes at the repository's address; `OWNER` stands for nobody yet."""
    return _parts()[1] != "OWNER"


def source_branch() -> str:
    """Branch of the pages' sources: `repository.branch` in `_config.yml`, or else main."""
    return _setting("branch") or "main"


def site_address(page: str = "") -> str:
    """Address of the published site, or of one of its pages."""
    host, owner, name = _parts()
    if host in SITES:
        domain = f"{owner.lower()}.{SITES[host]}"
        is_root = name.lower() == domain  # the repository that is named like its owner's site
        base = f"https://{domain}/" if is_root else f"https://{domain}/{name}/"
    else:  # we cannot know where it is served; the branch at least has the files
        base = f"{repository_url()}/raw/{PUBLISHED}/"
    return base + (f"{page}.html" if page else "")


def wheel_address() -> str:
    """Address of the published wheel, as pip takes it."""
    return f"{repository_url()}/raw/{PUBLISHED}/{WHEEL}"


def notebook_path(page: str, kind: str = "exercises") -> str:
    """Where a page's notebook is in the published site; kind is exercises or solutions."""
    return f"notebooks/{kind}/{page}.ipynb"


def colab_address(page: str, base: str = "https://colab.research.google.com") -> str:
    """Address that opens a page's exercise notebook in Colab.

    Raises:
        ValueError: The repository is not on github.com, and so out of Colab's reach.
    """
    host, owner, name = _parts()
    if host != "github.com":
        raise ValueError(
            f"the repository must be on github.com for Colab, got {repository_url()}. "
            "Empty launch_buttons.colab_url in _config.yml."
        )
    return f"{base}/github/{owner}/{name}/blob/{PUBLISHED}/{notebook_path(page)}"


def binder_address(page: str, base: str = "https://mybinder.org") -> str:
    """Address that builds the repository on Binder and opens a page's notebook in JupyterLab."""
    host, owner, name = _parts()
    if host == "github.com":
        place = f"gh/{owner}/{name}"
    else:
        place = f"git/{quote(repository_url(), safe='')}"
    opened = quote(f"lab/tree/_build/{notebook_path(page)}")
    return f"{base}/v2/{place}/{source_branch()}?urlpath={opened}"


def jupyterhub_address(page: str, hub: str) -> str:
    """Address by which nbgitpuller fetches the notebooks to a hub and opens a page's there.

    Args:
        page: Name of the page.
        hub: Address of the hub, without a slash at its end.

    Returns:
        The address.
    """
    name = _parts()[2]
    query = {
        "repo": repository_url(),
        "branch": PUBLISHED,
        "urlpath": f"lab/tree/{name}/{notebook_path(page)}",
    }
    return f"{hub}/hub/user-redirect/git-pull?{urlencode(query)}"


def _parts() -> tuple[str, str, str]:
    """Host, owner and name of the repository."""
    split = urlsplit(repository_url())
    owner, name = split.path.strip("/").split("/")
    return split.netloc, owner, name


def _setting(key: str) -> str:
    """A setting of the repository in `_config.yml`, or nothing where there is none."""
    if not CONFIG.is_file():
        return ""
    import yaml  # jupytext needs it too

    return yaml.safe_load(CONFIG.read_text("utf-8")).get("repository", {}).get(key, "")
