"""A moving figure as a page of its own, in a frame: for notebooks, which have no page of the book.

Everything is in the frame, so that it moves in JupyterLab, in Colab and in VS Code, from the
notebook alone and without a network.
"""

import html
import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["frame"]

FOLDER = Path(__file__).parent
STYLE = """
:root { --pst-color-accent: #0072b2; }
body { margin: 0; padding: 4px; background: var(--moving-page); color: var(--moving-text);
       font: 16px/1.5 system-ui, sans-serif; }
figure { margin: 0; }
"""
# Where the notebook lets it, the frame is as high as the figure, and the sentence below it goes.
FIT = """
new ResizeObserver(() => {
  try {
    frameElement.style.height = `${document.documentElement.offsetHeight + 4}px`;
    frameElement.nextElementSibling.hidden = true;
  } catch { /* the notebook keeps its page to itself */ }
}).observe(document.documentElement);
"""
STILL = (
    "The figure above is a still one. Below it is one that you can move, where the notebook may "
    "run scripts. If you see none, trust the notebook, or run this cell again."
)


def frame(name: str, data: Mapping[str, object]) -> str:
    """HTML of the frame.

    Args:
        name: Name of the figure.
        data: What its script reads.
    """
    document = html.escape(_document(name, data))
    return (
        f'<iframe srcdoc="{document}" title="{name}, a figure to move" loading="lazy" '
        f'style="width: 100%; height: 660px; border: 0;"></iframe><p>{STILL}</p>'
    )


def _document(name: str, data: Mapping[str, object]) -> str:
    from jinja2 import Environment, FileSystemLoader  # torch brings it

    templates = Environment(loader=FileSystemLoader(FOLDER.parent, "utf-8"), autoescape=True)
    controls = templates.get_template(f"moving/{name}/{name}.html").render(figure="it", data=data)
    kept = html.escape(json.dumps(data, separators=(",", ":")))
    scripts = "".join(f"<script>{text}</script>" for text in (*_files(name, "js"), FIT))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<style>{''.join([STYLE, *_files(name, 'css')])}</style></head>"
        f'<body class="bd-article"><figure class="moving moving-{name}">'
        f'<div class="moving-parts">{controls}'
        f'<template data-moving="{name}" data-values="{kept}"></template>'
        f"</div></figure>{scripts}</body></html>"
    )


def _files(name: str, kind: str) -> list[str]:
    """What figures share, and what this one adds."""
    paths = [FOLDER / f"moving.{kind}", FOLDER / name / f"{name}.{kind}"]
    return [path.read_text("utf-8") for path in paths if path.is_file()]
