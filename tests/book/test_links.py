"""Every link, image, script and style sheet inside the book leads somewhere."""

from urllib.parse import unquote, urljoin, urlsplit

import pytest

from tests.book.built import HTML, PAGES, page


def _inside(name: str) -> list[str]:
    """Addresses on a page that stay inside the site, relative to its root."""
    tags = page(name).select("[href], [src]")
    found = {urljoin(f"{name}.html", tag.get("href") or tag.get("src")) for tag in tags}
    return sorted(url for url in found if not urlsplit(url).scheme and not urlsplit(url).netloc)


def _resolves(name: str, url: str) -> bool:
    """Whether the file is there, and the anchor in it."""
    target, fragment = unquote(urlsplit(url).path), unquote(urlsplit(url).fragment)
    if not (HTML / target).is_file():
        return False
    return not fragment or page(target.removesuffix(".html")).find(id=fragment) is not None


@pytest.mark.parametrize("name", PAGES)
def test_addresses_inside_the_book_resolve(name):
    assert [url for url in _inside(name) if not _resolves(name, url)] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_link_is_empty(name):
    links = page(name).select("article a")
    assert [str(link) for link in links if not link.get("href") and not link.get("id")] == []
