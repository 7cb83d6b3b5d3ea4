"""The catalogue of silent bugs: what each is, where it lived, how it shows, what tells, the cure.

The broken code itself is in `broken`, and what it shows in `symptoms`. The page
"The museum of silent bugs" shows all of them, and their tests run every one through its check.

    MISTAKES["missing_one"].reveal()  # numbers, of the broken version and of the cured one
"""

from condlesson.museum import broken, symptoms
from condlesson.museum.exhibits import Choice, Mistake, Question

__all__ = ["MISTAKES"]


def _ask(text: str, *choices: tuple[str, str], right: int) -> Question:
    """A question, with answers and their feedback, of which one is right."""
    return Question(text, tuple(Choice(t, k == right, f) for k, (t, f) in enumerate(choices)))


_SINUSOID = (
    Mistake(
        name="batch_axis",
        title="Sines and cosines along the batch",
        exercise="exercise-1",
        code=broken.batch_axis_embedding,
        check="check_sinusoidal_embedding",
        message="one embedding alone and another one in a batch",
        where="Diffusion_models_from_scratch, issue 10",
        source="https://github.com/gmongaras/Diffusion_models_from_scratch/issues/10",
        symptom="It trains. A timestep's embedding depends on its place in the batch.",
        cure="Slice the dimensions, table[:, 0::2], and not the rows.",
        measure=symptoms.batch_dependence,
        question=_ask(
            "Every second row gets sines only, every other one cosines only. What happens when "
            "you train a network on that?",
            (
                "PyTorch complains about shapes.",
                "No: rows and columns are both sliced in twos, so that everything fits.",
            ),
            (
                "It trains, and each timestep has two embeddings, by its place in the batch.",
                "An even place gives the sines, an odd one the cosines. The network learns to do "
                "without: an image shows its own noise level.",
            ),
            (
                "The loss stays where it is.",
                "It falls. Most of what there is to learn needs no timestep.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="unit_interval",
        title="A timestep between 0 and 1",
        exercise="exercise-1",
        code=broken.unit_interval_embedding,
        check="check_sinusoidal_embedding",
        message="divided by 1000",
        where="Just-a-DiT, pull request 9",
        source="https://github.com/ArchiMickey/Just-a-DiT/pull/9",
        symptom="All embeddings are nearly the same; only samples get worse.",
        cure="Feed 0 .. 999, or multiply a t in [0, 1] by 1000 first.",
        measure=symptoms.narrow_range,
        question=_ask(
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
        title="The 2 that is counted twice",
        exercise="exercise-1",
        code=broken.doubled_exponent_embedding,
        check="check_sinusoidal_embedding",
        message="fall twice as fast",
        where="PapersReimplementations, issue 9, in the formula that is proposed there",
        source="https://github.com/BrianPulfer/PapersReimplementations/issues/9",
        symptom="Half of the dimensions stand still. Neighbours look right.",
        cure="The exponent is 2i / d, which is i / (d / 2): one 2, not both.",
        measure=symptoms.frozen_hands,
        question=_ask(
            "The exponent is 2i / (d / 2), where 2i / d belongs. Which timesteps lose by it?",
            (
                "All: the embedding is no clock any more.",
                "It is a clock. Its fast hands are nearly as they were.",
            ),
            (
                "Distant ones: the slow hands stand still.",
                "The slowest hand takes its time squared: hundreds of millions of steps for a "
                "turn, and you have a thousand.",
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
        title="A timestep in half precision",
        exercise="exercise-1",
        code=broken.bfloat16_embedding,
        check="check_sinusoidal_embedding",
        message="half precision",
        where="DiffSynth-Studio, pull request 1025",
        source="https://github.com/modelscope/DiffSynth-Studio/pull/1025",
        symptom="Groups of neighbours share an embedding; late timesteps in fours.",
        cure="Keep t in float32 up to the embedding; cast what comes out.",
        measure=symptoms.merged_timesteps,
        question=_ask(
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
                "It is not that bad. And because it is not, nobody notices.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="swapped_halves",
        title="Halves swapped against a checkpoint",
        exercise="exercise-1",
        code=broken.swapped_halves_embedding,
        test=symptoms.fits_checkpoint,
        message="halves are swapped",
        where="flashinfer, pull request 3819",
        source="https://github.com/flashinfer-ai/flashinfer/pull/3819",
        symptom="Large errors of the output, and no exception. Samples lose their composition.",
        cure="Ask the checkpoint which half comes first; embeddings must be equal, not alike.",
        measure=symptoms.mismatch,
        question=_ask(
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
        title="Another denominator than the checkpoint's",
        exercise="exercise-1",
        code=broken.other_denominator_embedding,
        test=symptoms.fits_checkpoint,
        message="another clock",
        where="sd-scripts, pull request 1187",
        source="https://github.com/kohya-ss/sd-scripts/pull/1187",
        symptom="The embedding drifts away from the known one, the more the later the timestep.",
        cure="Compare embeddings at a late timestep before any loss.",
        measure=symptoms.mismatch,
        question=_ask(
            "Trained with exponents i / (d/2), run with i / (d/2 - 1). At t = 10 the embeddings "
            "agree to four digits, and at t = 999 their similarity is below one half. What does "
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
_BEHIND = (
    Mistake(
        name="no_activation",
        title="Two linear layers in a row",
        exercise="exercise-2",
        code=broken.NoActivationEmbedding,
        check="check_timestep_embedding",
        message="no activation between",
        where="annotated_deep_learning_paper_implementations (labml), issue 165; there it was "
        "missing between the embedding's last layer and the projection of each block",
        source="https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/165",
        symptom="Twice the layers, and the functions of one.",
        cure="Put the activation between them: linear_2(gelu(linear_1(s))).",
        measure=symptoms.nonlinearity,
        question=_ask(
            "The MLP has lost its GELU, and kept its 394,240 parameters. What can it compute?",
            (
                "What a single linear layer can, exactly.",
                "W_2 (W_1 s + b_1) + b_2 is one matrix times s, plus one bias.",
            ),
            (
                "Nearly as much: the widths are the same.",
                "A product of two matrices is a matrix, however wide they are.",
            ),
            (
                "Nothing: gradients vanish.",
                "They flow better than before. That is why nobody looks.",
            ),
            right=0,
        ),
    ),
    Mistake(
        name="unregistered",
        title="Layers in a plain list",
        exercise="exercise-2",
        code=broken.UnregisteredEmbedding,
        check="check_timestep_embedding",
        message="(?s)no parameters.*not registered",
        where="pytorch-meta-optimizer, issue 11, with the cells of an LSTM",
        source="https://github.com/ikostrikov/pytorch-meta-optimizer/issues/11",
        symptom="The timestep's network keeps its first weights for ever; the rest learns.",
        cure="nn.ModuleList in place of the list.",
        measure=symptoms.registered,
        question=_ask(
            "The two layers stand in a Python list. They are used in every forward pass, and "
            "gradients reach them. What does Adam do with them?",
            (
                "It trains them: they have gradients.",
                "It trains what model.parameters() gives it, and these are not among that.",
            ),
            (
                "Nothing. They stay as they were drawn.",
                "And they are in no checkpoint either, nor do they move to a GPU with the rest.",
            ),
            (
                "It raises an error.",
                "Only if there is nothing else to train. In a U-Net there is.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="unsaved_features",
        title="Random features that no checkpoint holds",
        exercise="exercise-2",
        code=broken.UnsavedFourierFeatures,
        check="check_random_fourier_features",
        message="lost when the weights are saved",
        where="FEDformer, issue 77, with randomly chosen Fourier modes",
        source="https://github.com/MAZiqing/FEDformer/issues/77",
        symptom="Perfect in the session that trained it; noise in the next one.",
        cure='self.register_buffer("turns", drawn): saved with the weights, and never trained.',
        measure=symptoms.kept_by_weights,
        question=_ask(
            "The frequencies are drawn in __init__ and kept as an attribute. You train, save the "
            "weights, and load them the next day. What do you have?",
            (
                "Trained weights behind a new clock.",
                "New frequencies were drawn, and load_state_dict misses nothing.",
            ),
            (
                "The same network.",
                "All weights are the same. The frequencies are no weights.",
            ),
            (
                "An error about a missing key.",
                "There would be one had the frequencies been registered when it was saved.",
            ),
            right=0,
        ),
    ),
)
_INTO_THE_BLOCK = (
    Mistake(
        name="missing_one",
        title="Gamma without the 1",
        exercise="exercise-3",
        code=broken.MissingOneAdaGN,
        check="check_adagn",
        message=r"without the 1 \+",
        where="common; the paper on FiLM gives the reason for the 1 in section 7.2",
        source="https://arxiv.org/abs/1709.07871",
        symptom="A slow start. The image leaves each layer small.",
        cure="(1 + gamma) * norm(h) + beta",
        measure=symptoms.modulated_size,
        question=_ask(
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
        title="A shift that the norm takes out again",
        exercise="exercise-3",
        code=broken.CancelledShiftBlock,
        check="check_additive_block",
        message="subtracts each channel's mean",
        where="the U-Net of a published course; the paper on group norm has the formula",
        source="https://arxiv.org/abs/1803.08494",
        symptom="The timestep does nothing, at any t, for ever.",
        cure="Fewer groups than channels, or the shift behind the norm.",
        measure=symptoms.told_block,
        question=_ask(
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
        title="Writing into a ReLU's output",
        exercise="exercise-4",
        code=broken.InPlaceUNet,
        check="check_unet_sinusoidal",
        message="(?i)in-?place",
        where="the draft of this lesson; a thread with the same error is NWPU-MOC, issue 4",
        source="https://github.com/lyongo/NWPU-MOC/issues/4",
        symptom="Predictions are right. The first backward pass raises a RuntimeError.",
        cure="h = h + shift: a new tensor, not the old one.",
        measure=symptoms.in_place,
        question=_ask(
            "h += shift, where h is what a ReLU has put out. What do you see when the network "
            "predicts, and what when it learns?",
            (
                "Both work: += is short for h = h + shift.",
                "For numbers it is. For a tensor it writes into the memory of the old one.",
            ),
            (
                "Predictions are right; the backward pass raises.",
                "A ReLU's gradient is computed from its output, which has been written over. "
                "PyTorch counts versions, and notices. So does nobody who tests forward only.",
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
        title="A network that is always told 0",
        exercise="exercise-4",
        code=broken.AlwaysZeroUNet,
        check="check_unet_sinusoidal",
        message="does not depend on t",
        where="diffusion-models-class, unit 1, where it is a first step and said so",
        source="https://github.com/huggingface/diffusion-models-class/blob/341ae2f7eb2878568405d0061c3eb72fcd222ceb/units/en/unit1/diffusion_models_from_scratch.ipynb",
        symptom="A slightly higher loss, if one has something to compare it with.",
        cure="Hand on the t that the images were noised with.",
        measure=symptoms.told_network,
        question=_ask(
            "The network is built for a timestep, and is told 0 for every image. It is trained "
            "like that from the start. How does its loss compare?",
            (
                "It is several times as large.",
                "That is what a lie costs a network that has learned to listen. This one never "
                "has.",
            ),
            (
                "It is somewhat larger.",
                "It equals a network without a timestep, which reads the noise level off the "
                "image: the control of exercise 4.",
            ),
            (
                "It does not fall.",
                "It falls nearly as usual. An image of 784 pixels shows how noisy it is.",
            ),
            right=1,
        ),
    ),
)
_AROUND = (
    Mistake(
        name="last_timestep",
        title="The timestep that is never drawn",
        exercise="exercise-4",
        code=broken.draw_all_but_last,
        check="check_draw_timesteps",
        message="t = 9 never came",
        where="diffusion-models-class, unit 2, as randint(0, 999)",
        source="https://github.com/huggingface/diffusion-models-class/blob/341ae2f7eb2878568405d0061c3eb72fcd222ceb/units/en/unit2/class_conditioned_diffusion_model_example.ipynb",
        symptom="One timestep of a thousand is untrained: the one where samplers start.",
        cure="torch.randint(0, num_timesteps, ...): the upper end is left out already.",
        measure=symptoms.draw_counts,
        question=_ask(
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
        title="A schedule for a thousand steps, in a hundred",
        exercise="exercise-4",
        code=broken.unscaled_betas,
        test=symptoms.ends_in_noise,
        message="pure noise",
        where="EngiOpt, pull request 67, whose default was 250 steps",
        source="https://github.com/IDEALLab/EngiOpt/pull/67",
        symptom="A low loss, and dull samples: a sampler starts where no training image was.",
        cure="Multiply the betas by 1000 / T, or leave T at 1000.",
        measure=symptoms.remaining_image,
        question=_ask(
            "To be faster you train with T = 100, and leave the betas from 0.0001 to 0.02. What "
            "does a training image look like at the last timestep?",
            (
                "One sees the digit.",
                "More than half of it is left. And a sampler starts from pure noise, which this "
                "network has never met.",
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
        title="Told the number of the step",
        exercise="exercise-4",
        code=broken.told_indices,
        test=symptoms.tells_timesteps,
        message="not the number of the step",
        where="stablediffusion, pull request 226, in the way from image to noise",
        source="https://github.com/Stability-AI/stablediffusion/pull/226",
        symptom="Training is right, and samples are bad: the network takes noise for detail.",
        cure="Tell the network timesteps[k], and not k.",
        measure=symptoms.spoken_timesteps,
        question=_ask(
            "A sampler takes 50 of the 1000 timesteps, and tells the network k = 49, 48, ..., 0. "
            "What does a well trained network make of that?",
            (
                "It ignores it, and looks at the image.",
                "This one has learned to listen: to the clock it gives more weight than that.",
            ),
            (
                "It believes it, and predicts far too little noise.",
                "To it, k = 49 means an image that is nearly clean.",
            ),
            (
                "It raises: k is out of range.",
                "0 to 49 are timesteps, too. Just other ones.",
            ),
            right=1,
        ),
    ),
    Mistake(
        name="missing_root",
        title="A step of DDIM without a square root",
        exercise="exercise-4",
        code=broken.rootless_ddim_update,
        check="check_ddim_update",
        message="square root",
        where="ImgX-DiffSeg, issue 4",
        source="https://github.com/mathpluscode/ImgX-DiffSeg/issues/4",
        symptom="Samples without contrast. The network looks undertrained.",
        cure="alpha-bar is a share of variance: every factor is its square root.",
        measure=symptoms.ddim_noise,
        question=_ask(
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

MISTAKES: dict[str, Mistake] = {
    mistake.name: mistake for mistake in (*_SINUSOID, *_BEHIND, *_INTO_THE_BLOCK, *_AROUND)
}
