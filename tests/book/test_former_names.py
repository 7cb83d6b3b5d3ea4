"""Addresses of the reference from before modules moved: each leads to the entry of today."""

import pytest
from docutils import nodes
from sphinx import addnodes

import former_names
from condlesson.moved import MOVED
from tests.book.built import page

REFERENCE = ("api", "api-tools")


@pytest.mark.parametrize(
    ("today", "before"),
    [
        ("condlesson.experiment.runs.load_run", "condlesson.runs.load_run"),
        ("condlesson.figures.plots.curves", "condlesson.plots.curves"),
        ("module-condlesson.notebooks.pages", "module-condlesson.book"),
        ("condlesson.notebooks.export.make_notebook", "condlesson.notebooks.make_notebook"),
        ("condlesson.experiment.runs.Run.losses", "condlesson.runs.Run.losses"),
        ("condlesson.experiment.verifying.verify", "condlesson.runs.verify"),
        ("module-condlesson.experiment.verifying", None),
        ("condlesson.experiment.runs_of_mine", None),
        ("condlesson.unet.UNet", None),
    ],
)
def test_an_address_of_today_has_one_of_before(today, before):
    assert former_names.former(today) == before
    entry = addnodes.desc_signature(ids=[today])
    former_names.keep(None, nodes.container("", entry))
    assert entry["ids"] == [name for name in (today, before) if name]


def test_an_entry_that_moved_alone_has_both_addresses_of_before():
    entry = addnodes.desc_signature(ids=["condlesson.experiment.analysis.conclude"])
    former_names.keep(None, nodes.container("", entry))
    assert entry["ids"][1:] == [
        "condlesson.experiment.comparison.conclude",
        "condlesson.comparison.conclude",
    ]


@pytest.mark.parametrize("name", REFERENCE)
def test_entries_of_moved_modules_have_their_former_address(name):
    for entry in page(name).select("dt.sig[id]"):
        if before := former_names.former(entry["id"]):
            assert entry.find(id=before) is not None, before


def test_there_are_such_entries_of_each_module_that_the_reference_had():
    ids = {tag["id"] for name in REFERENCE for tag in page(name).select("[id]")}
    of = {old for old in MOVED if any(i.startswith(f"condlesson.{old}.") for i in ids)}
    assert of >= {"addresses", "bibliography", "book", "comparison", "outputs", "plots", "runs"}
    assert {"condlesson.runs.load_run", "condlesson.notebooks.write_notebooks"} <= ids
    assert {"module-condlesson.plots", "module-condlesson.questions"} <= ids
