"""Silent bugs of the way into a block."""

from condlesson.museum import broken, symptoms
from condlesson.museum.exhibits import Mistake, ask

__all__ = ["MISTAKES"]

MISTAKES = (
    Mistake(
        name="missing_one",
        title="A small feature map",
        bug="Gamma without the 1",
        exercise="exercise-3",
        code=broken.MissingOneAdaGN,
        check="check_adagn",
        message=r"without the 1 \+",
        source="https://arxiv.org/abs/1709.07871",
        measure=symptoms.modulated_size,
        question=ask(
            "gamma * norm(h) + beta, with an untrained projection. How large is the image that "
            "leaves the layer, if it was 1 in size?",
            ("1: a norm keeps the size.", "The norm does. Gamma comes after it."),
            ("0.", "Only if the projection starts at 0. nn.Linear does not."),
            (
                "Less than a tenth.",
                "It is as large as an untrained gamma is. And the timestep's own shift is as "
                "large, so that half of what leaves the layer is no image.",
            ),
            right=2,
        ),
    ),
    Mistake(
        name="cancelled_shift",
        title="Another t, the same output",
        bug="A shift that the norm takes out again",
        exercise="exercise-3",
        code=broken.CancelledShiftBlock,
        check="check_additive_block",
        message="subtracts each channel's mean",
        source="https://arxiv.org/abs/1803.08494",
        measure=symptoms.told_block,
        question=ask(
            "The timestep adds one number to each channel. Then comes a group norm with as many "
            "groups as channels. How much of the timestep is left?",
            (
                "All: a norm is learned, and learns to let it through.",
                "Its scale and shift are the same for all timesteps. They cannot bring it back.",
            ),
            (
                "A part, which training makes larger.",
                "With two channels in a group half would be left. With one there is nothing to "
                "enlarge.",
            ),
            (
                "Nothing, exactly.",
                "The norm subtracts the channel's mean, and the shift is a change of that mean.",
            ),
            right=2,
        ),
    ),
    Mistake(
        name="in_place",
        title="The one that raises an error",
        bug="Writing into a ReLU's output",
        exercise="exercise-4",
        code=broken.InPlaceUNet,
        check="check_unet_sinusoidal",
        message="(?i)in-?place",
        source="https://github.com/lyongo/NWPU-MOC/issues/4",
        measure=symptoms.in_place,
        question=ask(
            "h += shift, where h is what a ReLU has put out. What do you see when the network "
            "predicts, and what when it learns?",
            (
                "Both work: += is short for h = h + shift.",
                "For numbers it is. For a tensor it writes into the memory of the old one.",
            ),
            (
                "Predictions are right; the backward pass raises.",
                "A ReLU's gradient is computed from its output, which has been written over. "
                "PyTorch counts versions, and notices. A test of the forward pass alone does not.",
            ),
            (
                "Predictions are wrong.",
                "They are the same to the last bit.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="always_zero",
        title="A loss that is a little higher",
        bug="A network that is always told 0",
        exercise="exercise-4",
        code=broken.AlwaysZeroUNet,
        check="check_unet_sinusoidal",
        message="does not depend on t",
        source="https://github.com/huggingface/diffusion-models-class/blob/341ae2f7eb2878568405d0061c3eb72fcd222ceb/units/en/unit1/diffusion_models_from_scratch.ipynb",
        measure=symptoms.told_network,
        question=ask(
            "The network is built for a timestep, and is told 0 for every image. It is trained "
            "like that from the start. How does its loss compare?",
            (
                "It is several times as large.",
                "That is what a lie costs a network that relies on what it is told. This one "
                "never learned to.",
            ),
            (
                "It is somewhat larger.",
                "It equals a network without a timestep: the control of exercise 4.",
            ),
            (
                "It does not fall.",
                "It falls nearly as usual, as that of the control does.",
            ),
            right=1,
        ),
    ),
)
