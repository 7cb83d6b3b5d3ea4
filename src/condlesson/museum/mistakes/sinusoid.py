"""Silent bugs of the sinusoid."""

from condlesson.museum import broken, symptoms
from condlesson.museum.exhibits import Mistake, ask

__all__ = ["MISTAKES"]

MISTAKES = (
    Mistake(
        name="batch_axis",
        title="The same timestep, two embeddings",
        bug="Sines and cosines along the batch",
        exercise="exercise-1",
        code=broken.batch_axis_embedding,
        check="check_sinusoidal_embedding",
        message="one embedding alone and another one in a batch",
        source="https://github.com/gmongaras/Diffusion_models_from_scratch/issues/10",
        measure=symptoms.batch_dependence,
        question=ask(
            "Every second row gets sines only, every other one cosines only. What happens when "
            "you train a network on that?",
            (
                "It trains, and each timestep has two embeddings, by its place in the batch.",
                "An even place gives the sines, an odd one the cosines. The loss falls all the "
                "same: most of what there is to learn needs no timestep.",
            ),
            (
                "The loss stays where it is.",
                "It falls. Most of what there is to learn needs no timestep.",
            ),
            right=0,
        ),
    ),
    Mistake(
        name="unit_interval",
        title="All timesteps nearly alike",
        bug="A timestep between 0 and 1",
        exercise="exercise-1",
        code=broken.unit_interval_embedding,
        check="check_sinusoidal_embedding",
        message="divided by 1000",
        source="https://github.com/ArchiMickey/Just-a-DiT/pull/9",
        measure=symptoms.narrow_range,
        question=ask(
            "Inputs of networks are scaled, so t is divided by 1000. How alike are the embeddings "
            "of the first and the last timestep?",
            (
                "Nearly the same.",
                "No hand turns by more than one radian, in the whole run.",
            ),
            (
                "As unlike as before: only the unit has changed.",
                "The formula has a unit. Its fastest hand turns one radian a step.",
            ),
            (
                "Exactly the same.",
                "Not quite: the fastest hands move a little, and layers behind can enlarge that. "
                "So it is hard to see.",
            ),
            right=0,
        ),
    ),
    Mistake(
        name="doubled_exponent",
        title="Distant timesteps alike",
        bug="The 2 that is counted twice",
        exercise="exercise-1",
        code=broken.doubled_exponent_embedding,
        check="check_sinusoidal_embedding",
        message="fall twice as fast",
        source="https://github.com/BrianPulfer/PapersReimplementations/issues/9",
        measure=symptoms.frozen_hands,
        question=ask(
            "The exponent is 2i / (d / 2), where 2i / d belongs. Which timesteps lose by it?",
            (
                "All: the embedding is no clock any more.",
                "It is a clock. Its fast hands are nearly as they were.",
            ),
            (
                "Distant ones: the slow hands stand still.",
                "The period of the slowest hand is nearly squared: hundreds of millions of "
                "steps for a turn, and you have a thousand.",
            ),
            (
                "Neighbours: 500 and 501 become alike.",
                "Neighbours are told apart by the fast hands, and those still turn.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="bfloat16",
        title="Neighbours that share an embedding",
        bug="A timestep in half precision",
        exercise="exercise-1",
        code=broken.bfloat16_embedding,
        check="check_sinusoidal_embedding",
        message="half precision",
        source="https://github.com/modelscope/DiffSynth-Studio/pull/1025",
        measure=symptoms.merged_timesteps,
        question=ask(
            "The network runs in bfloat16, so t is cast to it as well. How many different "
            "embeddings are left of 1000?",
            (
                "1000: whole numbers are exact.",
                "Up to 256 they are. bfloat16 has 8 bits for a number's digits, and above 512 it "
                "knows every fourth only.",
            ),
            (
                "About a half.",
                "Up to 256 all are told apart, up to 512 every second, above that every fourth.",
            ),
            (
                "About ten.",
                "It is not that bad, and so it is easily overlooked.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="swapped_halves",
        title="A checkpoint with large errors",
        bug="Halves swapped against a checkpoint",
        exercise="exercise-1",
        code=broken.swapped_halves_embedding,
        test=symptoms.fits_checkpoint,
        message="halves are swapped",
        source="https://github.com/flashinfer-ai/flashinfer/pull/3819",
        measure=symptoms.mismatch,
        question=ask(
            "Weights were trained with the sines first, and the code puts the cosines first. "
            "Exercise 1 called that a mere permutation. What does the trained network do?",
            (
                "It works: the first layer absorbs a permutation.",
                "It does so in training. These weights have been trained.",
            ),
            (
                "Its loss is several times as large.",
                "Its first layer multiplies sines by what it learned for cosines.",
            ),
            (
                "Loading the weights fails.",
                "The sinusoid has no weights. All shapes fit.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="other_denominator",
        title="A checkpoint that looks right",
        bug="Another denominator than the checkpoint's",
        exercise="exercise-1",
        code=broken.other_denominator_embedding,
        test=symptoms.fits_checkpoint,
        message="another clock",
        source="https://github.com/kohya-ss/sd-scripts/pull/1187",
        measure=symptoms.mismatch,
        question=ask(
            "Trained with exponents i / (d/2), run with i / (d/2 - 1). At t = 10 the two "
            "embeddings are nearly alike, at t = 999 their similarity is below one half. What does "
            "the loss of the trained network say?",
            (
                "It is several times as large, as with swapped halves.",
                "So one would think. Here every hand is a little off, and it turns smoothly away.",
            ),
            (
                "Next to nothing.",
                "The loss of this network hardly moves. Only the embeddings tell.",
            ),
            (
                "It is large at late timesteps only.",
                "There the embeddings are far apart, and there this network listens least closely: "
                "late timesteps are much alike to it.",
            ),
            right=1,
        ),
    ),
)
