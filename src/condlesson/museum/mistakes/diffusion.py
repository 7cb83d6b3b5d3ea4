"""Silent bugs of what surrounds the network: its timesteps, the schedule, the sampler."""

from condlesson.museum import broken, symptoms
from condlesson.museum.exhibits import Mistake, ask

__all__ = ["MISTAKES"]

MISTAKES = (
    Mistake(
        name="last_timestep",
        title="A count that is missing",
        bug="The timestep that is never drawn",
        exercise="exercise-4",
        code=broken.draw_all_but_last,
        check="check_draw_timesteps",
        message="t = 9 never came",
        source="https://github.com/huggingface/diffusion-models-class/blob/341ae2f7eb2878568405d0061c3eb72fcd222ceb/units/en/unit2/class_conditioned_diffusion_model_example.ipynb",
        measure=symptoms.draw_counts,
        question=ask(
            "Timesteps run from 0 to T - 1, so they are drawn by randint(0, T - 1). Which are "
            "trained?",
            ("All of them.", "torch.randint leaves out its upper end, as range does."),
            (
                "All but t = 0.",
                "The lower end is drawn.",
            ),
            (
                "All but t = T - 1.",
                "It is one in a thousand, which no average shows, and the first that a sampler "
                "asks for.",
            ),
            right=2,
        ),
    ),
    Mistake(
        name="unscaled_betas",
        title="A low loss, dull samples",
        bug="A schedule for a thousand steps, in a hundred",
        exercise="exercise-4",
        code=broken.unscaled_betas,
        test=symptoms.ends_in_noise,
        message="pure noise",
        source="https://github.com/IDEALLab/EngiOpt/pull/67",
        measure=symptoms.remaining_image,
        question=ask(
            "To be faster you train with T = 100, and leave the betas from 0.0001 to 0.02. What "
            "does a training image look like at the last timestep?",
            (
                "One sees the digit.",
                "It keeps more than half of its size. And a sampler starts from pure noise, which "
                "this network has never met.",
            ),
            (
                "Pure noise, as with T = 1000.",
                "The betas say how much noise a step adds. A tenth of the steps add a tenth.",
            ),
            (
                "Clean.",
                "Noise has been added, just not enough.",
            ),
            right=0,
        ),
    ),
    Mistake(
        name="told_index",
        title="Right training, bad samples",
        bug="Told the number of the step",
        exercise="exercise-4",
        code=broken.told_indices,
        test=symptoms.tells_timesteps,
        message="not the number of the step",
        source="https://github.com/Stability-AI/stablediffusion/pull/226",
        measure=symptoms.spoken_timesteps,
        question=ask(
            "A sampler takes 50 of the 1000 timesteps, and tells the network k = 49, 48, ..., 0. "
            "What does a well trained network make of that?",
            (
                "It ignores it, and looks at the image.",
                "This one has learned to rely on what it is told, more than on what it sees.",
            ),
            (
                "It believes it, and answers as for an image that is nearly clean.",
                "That is what k = 49 means to it. For the noisy image that it sees, this is wrong.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="missing_root",
        title="Grey samples",
        bug="A step of DDIM without a square root",
        exercise="exercise-4",
        code=broken.rootless_ddim_update,
        check="check_ddim_update",
        message="square root",
        source="https://github.com/mathpluscode/ImgX-DiffSeg/issues/4",
        measure=symptoms.ddim_noise,
        question=ask(
            "The noise that a step puts back has the factor 1 - alpha_bar, without its root. "
            "1 - alpha_bar lies between 0 and 1. What do samples look like?",
            (
                "Washed out.",
                "Each image is cleaner than its timestep says. The network takes image for noise, "
                "and subtracts it, step after step.",
            ),
            (
                "Noisier.",
                "Between 0 and 1 a number is smaller than its root: too little noise is put back.",
            ),
            (
                "The same: the network corrects it at the next step.",
                "It believes the timestep, and that says otherwise.",
            ),
            right=0,
        ),
    ),
)
