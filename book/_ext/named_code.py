"""Says which page asks autodoc for code that is not there; autodoc itself names no page."""

import logging
import re
from pathlib import Path

from sphinx.application import Sphinx

ASKED = re.compile(r"autodoc: failed to import (\w+) '([\w.]+)' from module '([\w.]+)'")
LOGGER = "sphinx.sphinx.ext.autodoc"


def placed(app: Sphinx, record: logging.LogRecord) -> bool:
    """Give a warning of autodoc its page and line, and a cure in place of a traceback."""
    if found := ASKED.match(record.getMessage()):
        kind, name, module = found.groups()
        reason = record.getMessage().strip().splitlines()[-1]
        record.msg = f"{module} has no {kind} {name}: {reason}. Mend the name, or the code."
        record.args = ()
        page = app.env.docname
        lines = Path(app.env.doc2path(page)).read_text("utf-8").splitlines()
        place = next((n for n, line in enumerate(lines, 1) if name in line), None)
        record.location = (page, place)
    return True


def setup(app: Sphinx) -> dict:
    """Look at what autodoc says before it is shown."""
    logger = logging.getLogger(LOGGER)
    for old in [each for each in logger.filters if getattr(each, "of_the_book", False)]:
        logger.removeFilter(old)  # of an earlier build in this process

    def look(record: logging.LogRecord) -> bool:
        return placed(app, record)

    look.of_the_book = True
    logger.addFilter(look)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
