"""Draw the card that other sites show beside a link to the book: book/_static/card.png.

python -m tools.make_card
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import yaml

from condlesson.figures import plots  # its style

ROOT = Path(__file__).parents[1]
CARD = ROOT / "book" / "_static" / "card.png"
SIZE, DOTS = (12.0, 6.3), 100  # 1200 by 630 pixels, as cards are shown
# Hands of the clock, from slow to fast: angle in turns, length, width and colour.
HANDS = (
    (0.86, 0.42, 11, "#4D4D4D"),
    (0.38, 0.55, 9, plots.COLOURS["sinusoidal"]),
    (0.16, 0.68, 8, plots.COLOURS["adagn"]),
    (0.0, 0.8, 7, plots.COLOURS["simple"]),
)


def main() -> None:
    """Draw it."""
    title = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["title"]
    figure = plt.figure(figsize=SIZE, dpi=DOTS, layout="none")
    clock = figure.add_axes((0.05, 0.14, 0.36, 0.72), aspect="equal", xlim=(-1.1, 1.1))
    clock.set(ylim=(-1.1, 1.1))
    clock.set_axis_off()
    clock.add_patch(plt.Circle((0, 0), 1, fill=False, edgecolor="#0072B2", linewidth=10))
    for turns, length, width, colour in HANDS:
        x, y = length * np.sin(2 * np.pi * turns), length * np.cos(2 * np.pi * turns)
        clock.plot([0, x], [0, y], color=colour, linewidth=width, solid_capstyle="round")
    clock.plot(0, 0, "o", color="#4D4D4D", markersize=22)
    words = title.split()
    lines = "\n".join((" ".join(words[:4]), " ".join(words[4:])))
    figure.text(0.45, 0.54, lines, fontsize=38, weight="bold", va="center", linespacing=1.3)
    figure.text(0.45, 0.3, "A lesson on timestep conditioning, with code", fontsize=19)
    figure.savefig(CARD, dpi=DOTS, bbox_inches=None, metadata={"Software": None})


if __name__ == "__main__":
    main()
