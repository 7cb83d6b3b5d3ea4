"""Files of networks, as the desk reads them: those of the package fit, and all else is refused."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from condlesson.experiment.network_file import VARIANTS, network_file
from condlesson.training import TrainConfig, make_model
from tests.browser.chromium import browser
from tests.browser.engine import Engine, js, write_page

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(variant="adagn", width=8)
READ = "finish(networkFile.read([networkFile.parse({})]))[0]"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with browser() as started:
        page = started.new_page()
        page.goto(write_page(tmp_path_factory.mktemp("engine"), {}))
        yield Engine(page.evaluate)


@pytest.fixture(scope="module")
def content():
    """What a file of the package says."""
    (text,) = network_file(make_model(CONFIG), CONFIG, "mine")
    return json.loads(re.search(r"\((.*)\);", text, re.S)[1])


def refusal(engine, text):
    """What the desk says to a file; the empty string if it takes it."""
    read = READ.format(json.dumps(text))
    return engine.evaluate(
        f"(() => {{ try {{ {read}; return ''; }} catch (e) {{ return e.message; }} }})()"
    )


def as_text(content):
    return f"// about\ncondlessonNetwork({json.dumps(content)});\n"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("width", [8, 16, 32])
def test_names_and_shapes_are_the_packages(engine, variant, width):
    model = make_model(replace(CONFIG, variant=variant, width=width))
    shapes = {n: list(w.shape) for n, w in model.state_dict().items() if w.is_floating_point()}
    assert engine.evaluate(f"networkFile.shapesOf('{variant}', {width})") == shapes


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_untrained_network_of_another_width_predicts_as_in_torch(engine, variant):
    config = replace(CONFIG, variant=variant, width=16)
    model = make_model(config).eval()
    (text,) = network_file(model, config, "mine", precision="float32")
    x_t = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    build = f"finish(unet.build({READ.format(json.dumps(text))}))[0]"
    call = f"unet.predict({build}, {js(x_t)}, diffusion.everywhere(300))"
    made = engine.floats(f"finish({call})[0]").view(x_t.shape)
    with torch.no_grad():
        torch.testing.assert_close(made, model(x_t, torch.tensor([300])), rtol=0, atol=1e-5)


def test_a_file_of_the_package_is_taken(engine, content):
    assert refusal(engine, as_text(content)) == ""


def changed(content, **values):
    return as_text({**content, **values})


def changed_entry(content, **values):
    first, *others = content["tensors"]
    return as_text({**content, "tensors": [{**first, **values}, *others]})


def floats(values):
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


def typed(content, text, place):
    """The file, with something typed into its text."""
    return as_text(content).replace(place, text + place, 1)


CASES = {
    "nothing": (lambda c: "", "must be a file that condlesson export wrote"),
    "an image": (lambda c: "\x89PNG\r\n", "must be a file that condlesson export wrote"),
    "a program": (
        lambda c: f"window.ran = true; {as_text(c)}",
        "must be a file that condlesson export wrote",
    ),
    "a program behind it": (
        lambda c: f"{as_text(c)} window.ran = true;",
        "the file is damaged|must be a file that condlesson export wrote",
    ),
    "a program in it": (
        lambda c: "condlessonNetwork({format: (window.ran = true)});",
        "the file is damaged",
    ),
    "half a file": (lambda c: as_text(c)[:9000], "must be a file that condlesson export wrote"),
    "another format": (lambda c: changed(c, format=2), "its format must be 1, got 2"),
    "another variant": (
        lambda c: changed(c, variant="simple"),
        'one of adagn, adagn_class, sinusoidal, got "simple"',
    ),
    "no width": (lambda c: changed(c, width="8"), 'multiple of 8 from 8 to 64, got "8"'),
    "another width": (lambda c: changed(c, width=16), "must have the shape 16,1,3,3, got"),
    "a huge width": (lambda c: changed(c, width=8000), "multiple of 8 from 8 to 64, got 8000"),
    "another clock": (lambda c: changed(c, num_timesteps=50), "1000 timesteps, got 50"),
    "no tensors": (lambda c: changed(c, tensors={}), "must have a list of tensors"),
    "a null": (lambda c: changed(c, tensors=[None]), "null is no weight of adagn"),
    "a tensor twice": (lambda c: changed(c, tensors=c["tensors"][:1] * 2), "is there twice"),
    "another name": (lambda c: changed_entry(c, name="enc_9"), '"enc_9" is no weight'),
    "a name of JavaScript": (
        lambda c: changed_entry(c, name="__proto__"),
        '"__proto__" is no weight',
    ),
    "another shape": (
        lambda c: changed_entry(c, shape=[8, 9]),
        r"must have the shape 8,1,3,3, got",
    ),
    "no text": (lambda c: changed_entry(c, values=[1]), "must hold its numbers as text"),
    "no base64": (lambda c: changed_entry(c, values="%%"), "the numbers of .* are damaged"),
    "too few": (lambda c: changed_entry(c, values="AAAA"), "must hold 72 bytes, got 3"),
    "not a number": (
        lambda c: changed_entry(c, scales=floats([np.nan] * 8)),
        "must hold finite numbers only",
    ),
    "too large": (
        lambda c: changed_entry(c, scales=floats([3e38] * 8)),
        "must hold finite numbers only",
    ),
    "finite, and far too large": (
        lambda c: changed_entry(c, scales=floats([3e35] * 8)),
        "must hold no number beyond 1,000,000",
    ),
    "null": (lambda c: "condlessonNetwork(null);", "must be a file that condlesson export wrote"),
    "the file as JSON": (lambda c: json.dumps(c), "must be a file that condlesson export wrote"),
    "another encoding": (
        lambda c: as_text(c).encode("utf-16").decode("latin-1"),
        "must be a file that condlesson export wrote",
    ),
    "comments without end": (
        lambda c: "// x\n" * 500_000 + "condlessonNetwork(",
        "must be a file that condlesson export wrote",
    ),
    "spaces without end": (
        lambda c: " " * 5_000_000 + "x",
        "must be a file that condlesson export wrote",
    ),
    "brackets without end": (
        lambda c: typed(c, f'"a": {"[" * 100_000}{"]" * 100_000}, "format": 3, ', '"name"'),
        "its format must be 1, got 3|the file is damaged",
    ),
    "a second format": (
        lambda c: typed(c, '"format": 0, ', '"name"'),
        "its format must be 1, got 0",
    ),
    "one level deeper": (lambda c: as_text({"network": c}), "its format must be 1, got none"),
    "no name": (lambda c: changed(c, name=None), "name must be a text of .*, got null"),
    "a name that is none": (lambda c: changed(c, name={"a": 1}), "name must be a text"),
    "an endless name": (lambda c: changed(c, name="n" * 10**6), "at most 100 characters"),
    "an endless name of a weight": (lambda c: changed_entry(c, name="n" * 10**6), "no weight of"),
    "an object for a name": (
        lambda c: changed_entry(c, name={"toString": 1}),
        "is no weight of adagn",
    ),
    "the other conditioning": (
        lambda c: changed(c, variant="sinusoidal"),
        "enc_1.norm_1.projection.weight. is no weight of sinusoidal",
    ),
    "one missing": (
        lambda c: changed(c, tensors=c["tensors"][1:]),
        "enc_1.conv_1.weight is missing.$",
    ),
    "two missing": (
        lambda c: changed(c, tensors=c["tensors"][2:]),
        "enc_1.conv_1.weight is missing, and 1 more",
    ),
}
# What is odd, and a network all the same.
TAKEN = {
    "lines as on Windows": lambda c: as_text(c).replace("\n", "\r\n"),
    "many comments": lambda c: "// x\n\n" * 200_000 + as_text(c),
    "a prototype": lambda c: typed(c, '"__proto__": {"width": 64}, "constructor": 1, ', '"name"'),
    "a name in every letter": lambda c: changed(c, name="<b>été</b> 网络 \u2028"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_odd_is_taken_all_the_same(engine, content, case):
    assert refusal(engine, TAKEN[case](content)) == ""
    assert engine.evaluate("({}).width ?? null") is None


@pytest.mark.fault(
    "what is opened on the desk is no network: a program, half a file, another form, nan",
    "it is refused with a sentence, and nothing of it runs",
)
@pytest.mark.parametrize("case", CASES)
def test_anything_else_is_refused_and_not_run(engine, content, case):
    change, message = CASES[case]
    said = refusal(engine, change(content))
    assert said.startswith("This is no network for the desk: ")
    assert re.search(message, said), said
    assert len(said) < 300
    assert engine.evaluate("window.ran ?? null") is None


def test_a_file_is_read_unless_it_is_too_large(engine, content):
    opened = f"networkFile.open(new File(['\\ufeff', {json.dumps(as_text(content))}], 'mine.js'))"
    assert engine.evaluate(f"{opened}.then(({{ name }}) => name)") == "mine"
    unread = "networkFile.open({ size: 2e8, text: () => 'read' }).catch(({ message }) => message)"
    assert engine.evaluate(unread).endswith("a file has at most 64 MB.")


def test_a_variance_below_zero_is_refused(engine):
    config = replace(CONFIG, variant="sinusoidal")
    model = make_model(config)
    model.enc_1.norm_1.running_var[2] = -1
    (text,) = network_file(model, config, "mine")
    assert "enc_1.norm_1.running_var must not be below 0" in refusal(engine, text)
