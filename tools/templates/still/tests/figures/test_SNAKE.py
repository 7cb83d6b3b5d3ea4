import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt

from condlesson.figures import plots


def test_every_value_is_counted():
    ax = plots.SNAKE(np.array([[1, 2], [2, 6]]), "value")
    assert sorted(bar.get_height() for bar in ax.patches)[-3:] == [1, 1, 2]
    assert ax.get_xlabel() == "value"
    plt.close("all")
