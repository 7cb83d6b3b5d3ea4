"""The same commit gives the same site in another folder, for another builder, with other settings.

But for `.buildinfo`, by which Sphinx knows its own next build: it is a digest of settings, and a
path is one of them. No page leads to it.
"""

import shutil
import subprocess

import pytest

from tests.book.built import HTML, ROOT, share_environment
from tests.conftest import outside_make

pytestmark = [pytest.mark.weekly, pytest.mark.unsampled]

SETTINGS = {
    "LC_ALL": "C",
    "LANG": "de_DE.UTF-8",
    "TZ": "Pacific/Kiritimati",
    "COLUMNS": "40",
    "PYTHONHASHSEED": "7",
    "MPLBACKEND": "svg",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
    "SOURCE_DATE_EPOCH": "315532800",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "log.showSignature",
    "GIT_CONFIG_VALUE_0": "true",
}


def contents(site):
    files = [path for path in site.rglob("*") if path.is_file() and path.name != ".buildinfo"]
    return {path.relative_to(site): path.read_bytes() for path in files}


@pytest.mark.fault(
    "the book is built in a folder with spaces and other letters, with other settings around it",
    "every file of the site has the same bytes",
)
def test_another_folder_and_other_settings_give_the_same_bytes(tmp_path):
    status = ["git", "status", "--porcelain"]
    changed = subprocess.run(status, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert changed == "", "what is compared is a commit: commit first, and build it"
    folder = tmp_path / "ein Büch für alle"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    share_environment(folder)
    home = tmp_path / "home"
    profile = home / ".ipython" / "profile_default" / "ipython_config.py"
    profile.parent.mkdir(parents=True)
    profile.write_text('c.InteractiveShell.ast_node_interactivity = "all"\n')
    ours = {"PYTHONPATH": str(folder / "src"), "HOME": str(home), "TMPDIR": str(home)}
    done = subprocess.run(
        ["bash", "-c", "umask 077; make book"],
        cwd=folder,
        env=outside_make() | SETTINGS | ours,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    here, there = contents(HTML), contents(folder / "_build" / "html")
    differing = sorted(
        str(name) for name in here.keys() | there if here.get(name) != there.get(name)
    )
    assert differing == []
    shutil.rmtree(folder)
