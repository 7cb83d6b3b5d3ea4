import base64

import numpy as np
import torch

from condlesson.figures import moving


def test_the_script_gets_the_values():
    data = moving.SNAKE(torch.tensor([1.0, 0.5, 0.25]), "a value").data
    steps = np.frombuffer(base64.b64decode(data["values"]["base64"]), "<i2")
    np.testing.assert_allclose(steps * data["values"]["step"], [1, 0.5, 0.25], atol=5.1e-5)
    assert data["label"] == "a value"
