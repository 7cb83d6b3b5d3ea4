"""What to do about an error, where one cause of it is sure.

An exercise has cures of its own, which know its shapes and its layers. Those here fit any.
"""

import difflib
import re

from condlesson.checks.harness.failure import Failure, said

__all__ = ["applied", "cure_of", "outer_cure", "reshape_cure"]

_FUNCTIONS = {
    "GELU": "F.gelu",
    "SiLU": "F.silu",
    "ReLU": "F.relu",
    "Mish": "F.mish",
    "Tanh": "torch.tanh",
    "Sigmoid": "torch.sigmoid",
}

_KNOWN = {name: f"F.{name}" for name in ("gelu", "silu", "relu", "softplus", "normalize")} | {
    name: f"torch.{name}" for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "sigmoid", "tanh")
}  # what is meant by a name that nearly is one of these

# A pattern of the error's message, and the cure; {0} is the pattern's first group.
_ROWS = (
    (r'"bitwise_\w+" not implemented|for \^:', "^ is no power in Python. Write **, as in x ** 2."),
    (r'"(?:check_uniform_bounds|normal_kernel|uniform)\w*" not implemented', "Random numbers of "
     "this kind are no integers. Draw floating ones, torch.rand(n), without rand_like of integers "
     "and without dtype=torch.long."),
    (r"not implemented for '(?:Long|Int|Short|Char|Byte)'", "These are integers, and this takes "
     "floating numbers. Convert them first: x.float()."),
    (r"NVIDIA driver|compiled with CUDA|No CUDA GPUs", "There is no GPU here. Leave out .cuda() "
     "and device=, or make each tensor where another one is: device=x.device."),
    (r"to be on the same device", "Tensors lie on two devices. Make each where the other one is: "
     "device=x.device."),
    (r"'([A-Z]\w+)' object is not subscriptable", "A layer is called, with round parentheses: "
     "layer(x) and not layer[x]."),
    (r"scalar types: Long, Int; but got", "nn.Embedding takes integers, such as labels, and gets "
     "floating numbers. Are the arguments of forward in their order, and is there a .float() too "
     "many?"),
    (r"expected Tensor as element \d+ .* got (?:int|float)", "torch.cat joins tensors, and one of "
     "these is a number. Make a tensor of it: torch.full_like(x, number)."),
    (r"(?:ints, not bool|element of type bool)", "A comparison stands where the size belongs: a "
     "parenthesis closes too late. Write torch.rand(n) < p."),
    (r"shape of the mask \[(.*?)\].*tensor \[(.*?)\]", "The mask has the shape ({0}), and what it "
     "is to choose from has ({1}). They must be the same."),
    (r"tensors used as indices must be|valid indices \(got float", "An index must be an integer, "
     "and this is a floating number. Convert it with .long(), if it is a place at all."),
    (r"elements cannot be converted to Scalar", ".item() takes one number out of a tensor, and "
     "this one has many. Leave it out, and use the tensor."),
    (r"and 'method'|'method' and", "A method is named there and not called. Write the "
     "parentheses, such as x.norm(dim=1)."),
    (r"return_types\.(\w+)", ".{0}(dim) gives two things, the values and where they are. Write "
     "x.{0}(dim).values, or x.amax and x.amin."),
    (r"out of bounds for (?:un)?signed", "That dtype is too small for these numbers. Take "
     "torch.long."),
    (r"'super' object needs an argument", "Write the parentheses: super().__init__()."),
    (r"GroupNorm.__init__\(\) missing", "nn.GroupNorm takes the number of groups, then the number "
     "of channels: nn.GroupNorm(num_groups, num_channels)."),
    (r"(\w+)\.forward\(\) takes 2 positional arguments but 3 were", "{0} takes one tensor. "
     "Leave the second out here, and use it in a step of its own."),
    (r"Target sizes: \[(.*?)\]. *Tensor sizes: \[(.*?)\]", "Numbers of the shape ({1}) do not fit "
     "into ({0}). Sizes are compared from the last one on. Columns are x[:, :n], and rows x[:n]; a "
     "number for each channel is x[:, :, None, None]."),
    (r"list is not a Module subclass", "Give nn.Sequential the layers one by one, without a list: "
     "nn.Sequential(a, b)."),
    (r"maximum recursion depth", "The function calls itself, and that again, without an end. Call "
     "what was meant: another function, or super()."),
    (r"modified by an inplace operation", "A tensor that the backward pass needs was changed in "
     "place. Write the sum out of place: `h = h + shift`, no `+=`, no assignment to a slice."),
    (r"leaf Variable that requires grad is being used in an in-place", "A parameter cannot be "
     "changed in place like this. Set it by nn.init, such as nn.init.zeros_(self.layer.weight), or "
     "write under `with torch.no_grad():`."),
    (r"cannot assign '.*' as parameter '(\w+)'", "{0} must stay an nn.Parameter. Set its values "
     "instead: nn.init.zeros_(self.layer.{0})."),
    (r"before Module.__init__\(\)|'super' object has no", "Call super().__init__() first in "
     "__init__."),
    (r"object has no attribute '_(?:parameters|modules|buffers)'", "Call super().__init__() first "
     "in __init__."),
    (r"buffer name should be a string|register_buffer\(\) missing", "The name comes first, "
     'then the tensor: self.register_buffer("name", tensor).'),
    (r"buffer name can", "Write the name without self. in it: "
     'self.register_buffer("name", tensor).'),
    (r"(?:\w+\.)*(\w+) is not a Module subclass", "nn.Sequential takes layers, not classes. Write "
     "the parentheses: nn.{0}()."),
    (r"Can't call numpy\(\) on Tensor that requires grad", "No gradient goes through NumPy. Take "
     "torch's function of the same name."),
    (r"^(sin|cos|exp|log|sqrt)\(\): argument 'input' .* not (?:int|float)", "torch.{0} takes a "
     "tensor. For a Python number use math.{0}."),
    (r"argument 'input' .* must be Tensor, not [A-Z]\w+$", "That is the layer, not its result. "
     "Call it: layer(x)."),
    (r"builtin_function_or_method", "A function is named there and not called. Write the "
     "parentheses: x.sqrt() in place of x.sqrt."),
    (r"'(?:int|float|Tensor)' object is not callable", "Is an operator, such as *, missing before "
     "the parentheses?"),
    (r"bad operand type .*'(?:range|list)'|list indices must be", "A list or a range is no tensor. "
     "Take torch.arange(n), or torch.tensor(values)."),
    (r"tensor of dimension 0$|index of a 0-dim tensor", "That tensor is a single number, without "
     "dimensions. Use it as it is."),
    (r"^randint\(\)", "The size is a tuple, with a comma: torch.randint(low, high, (size,))."),
    (r"too many values to unpack", "split takes the size of a part, chunk the number of parts: "
     ".chunk(2, dim=-1) gives two."),
    (r"argument 'tensors' .* not Tensor", "Put the tensors into one list: torch.cat([a, b], "
     "dim=-1)."),
    (r"Long and|and Long|long int|Integers to negative", "Integers and floating numbers meet "
     "here. Convert the integers: t.float()."),
    (r"Double|double", "One side is float64, the other float32. Convert the float64 one: "
     "x.float()."),
    (r"does not require grad and does not have a grad_fn", "The path from the parameters to the "
     "result is cut. Leave out detach, .data, .item and no_grad."),
    (r"allocate memory|not enough memory", "That is more memory than a check may use, and nothing "
     "in this exercise is so large. Look at the shapes."),
    (r"name '(?:true|false|none)' is", "Python writes True, False and None."),
    (r"type '\w+' is not subscriptable", "A call has round parentheses: nn.Linear(a, b)."),
    (r"name '(F|nn|math|torch|np)' is not defined", "Run the cell with the imports first."),
    (r"name '(pi|sqrt|sin|cos|exp|log|cat|stack|outer|arange|zeros|ones|empty|rand|randn|randint|"
     r"int64|float32)' is not defined", "Write torch.{0}."),
    (r"name '(Linear|GroupNorm|Conv2d|Sequential|Parameter|GELU|SiLU|ReLU)' is not defined",
     "Write nn.{0}."),
    (r"name '(gelu|silu|relu|group_norm|normalize|cosine_similarity)' is not defined", "Write "
     "F.{0}."),
    (r"name '(\w+)' is not defined", "Is {0} spelt the same way where it was made?"),
    (r"'torch.nn.functional' has no", "Functions of F are in small letters, such as F.gelu."),
    (r"'torch' has no attribute '[A-Z]", "Layers are in nn, such as nn.Linear."),
    (r"'torch.nn' has no attribute '[a-z]", "Layers of nn begin with a capital letter, such as "
     "nn.Linear."),
    (r"'torch.nn' has no attribute '(\w+)'", "Is nn.{0} spelt right, capital letters and all, such "
     "as nn.GroupNorm and nn.Conv2d?"),
    (r"referenced before assignment|not associated with a value", "The name gets its value only "
     "below this line, or in a branch that did not run."),
    (r"Expected more than 1 value per channel", "A batch norm needs more than one item: it makes "
     "the items of a batch depend on one another."),
    (r"missing the required \"forward\"", "Is forward spelt right, and is it indented as a method "
     "of the class?"),
    (r"Boolean value of Tensor", "`if`, `and` and `or` need one truth value, and a tensor has "
     "many. Take torch.where, which decides number by number; for `and` write &."),
    (r"ints,? (?:not|but got|but found element of type) float", "A size must be an integer: "
     "divide with //."),
    (r"ints,? ?but (?:got|found element of type) Tensor|must be Number, not Tensor", "A size "
     "must be an integer, and this is a tensor. Are the arguments in the right order?"),
)  # fmt: skip


def cure_of(failure: Failure) -> str:
    """The cure of an error, or what the tensors on its line look like, or ""."""
    for look in _LOOKS:
        text = look(failure)
        if text:
            return text
    if failure.kind == "RuntimeError" and len(failure.shapes) > 1:
        return f"Look at the shapes there: {said(failure.shapes)}."
    return ""


def _row(failure: Failure) -> str:
    for pattern, text in _ROWS:
        match = re.search(pattern, failure.text)
        if match:
            return text.format(*match.groups())
    return ""


def _handed_over(failure: Failure) -> str:
    """The answer takes other arguments than the check hands over."""
    is_call = re.search(r"positional argument|unexpected keyword", failure.text)
    if failure.code or not is_call:
        return ""
    if "__init__() takes 1 positional" in failure.text:  # that of nn.Module
        return (
            "Is __init__ spelt with two underscores on each side, and does it take the arguments?"
        )
    is_method = re.match(r"\w+\.\w+\(", failure.text)
    first = ", with self first" if is_method else ""
    return f"Keep the arguments of the exercise, in their order{first}."


def applied(layer: str) -> str:
    """What to write if nn.layer(x), which makes a layer, was to apply it."""
    function = _FUNCTIONS.get(layer)
    instead = f"{function}(x), or " * bool(function)
    return f"nn.{layer}(x) makes a layer, and does not apply it. Write {instead}nn.{layer}()(x)."


def _activation(failure: Failure) -> str:
    match = re.search(rf"\b({'|'.join(_FUNCTIONS)})\b", failure.text)
    if not match or failure.kind != "TypeError" or "subclass" in failure.text:
        return ""
    name = match[1]
    return (
        f"nn.{name}(x) makes a layer, with x as its option, and does not apply it to x. Write "
        f"{_FUNCTIONS[name]}(x); or make nn.{name}() in __init__, and call that in forward."
    )


def _tuple(failure: Failure) -> str:
    if not re.search(r"'tuple'|\btuple\b.* to tuple|\btuple indices|Tensor, not tuple$|got tuple",
                     failure.text):  # fmt: skip
        return ""
    found = {name: value for name, value in failure.named.items() if type(value) is tuple}
    single = next((name for name, value in found.items() if len(value) == 1), "")
    if single:
        return f"{single} is a tuple of one: a comma at the end of a line makes it. Leave it out."
    if found:
        name, value = next(iter(found.items()))
        return (
            f"{name} is a tuple of {len(value)}, and no tensor. Give each a name, as in "
            "a, b = x.chunk(2, dim=-1); or, if your own function returned them, return one alone."
        )
    return (
        "chunk, split and unbind return a tuple of tensors. Give each of them a name: "
        "a, b = x.chunk(2, dim=-1)."
    )


def _nothing(failure: Failure) -> str:
    if "NoneType" not in failure.text:
        return ""
    if re.search(r"\bNone\b", failure.code) and "[" not in failure.code:
        return "None is written there, where a number or a tensor belongs."
    name = next((name for name, value in failure.named.items() if value is None), "")
    if not name:
        return "Something on this line is None. A function without return gives None."
    return (
        f"{name} is None. A function without return gives None, and so does "
        "self.register_buffer(...): write that call alone, without a name and = before it."
    )


def _class(failure: Failure) -> str:
    match = re.search(r"^(\w+)\.__init__\(\) missing", failure.text)
    if not match or not failure.code or f"{match[1]}(" in failure.code:
        return ""
    name = failure.code.split("(")[0]
    return (
        f"{name} is the class {match[1]} itself. Make a layer of it in __init__: "
        f"{name} = nn.{match[1]}(...)."
    )


def _attribute(failure: Failure) -> str:
    match = re.search(r"object has no attribute '([a-zA-Z]\w*)'", failure.text)
    if not match or f"self.{match[1]}" not in failure.code:
        return ""
    if not failure.is_begun:
        return "Call super().__init__() first in __init__: it makes what the class is built on."
    found = f" Your object has {', '.join(failure.attributes)}." * bool(failure.attributes)
    return (
        f"__init__ makes no self.{match[1]}.{found} Write self.{match[1]} = ... there, with self. "
        "and the same name."
    )


def _hidden(failure: Failure) -> str:
    """A layer of the learner's that has the name of a method, which is found before it."""
    if not failure.hidden:
        return ""
    name = failure.hidden[0]
    return (
        f"{name} is a method of every nn.Module: self.{name} gives that method, and not your "
        f"layer. Give the layer another name, such as {name}_layer."
    )


def _function(failure: Failure) -> str:
    """A function of another module, or nearly its name."""
    match = re.search(r"(?:module 'torch'|'Tensor' object) has no attribute '(\w+)'", failure.text)
    name = match[1] if match else ""
    meant = difflib.get_close_matches(name.lower(), list(_KNOWN), n=1, cutoff=0.6) if name else []
    if not meant or name[0].isupper():
        return ""
    return f"Do you mean {_KNOWN[meant[0]]}(x)?"


def _one_number(failure: Failure) -> str:
    """A tensor of many numbers where Python takes one."""
    if not re.search(r"one element tensors can be converted|only length-1 arrays", failure.text):
        return ""
    if re.search(r"\btensor\(", failure.code):
        return "torch.tensor takes numbers. To join tensors take torch.cat or torch.stack."
    if re.search(r"(?<!\.)\b(float|int)\(", failure.code):
        return "float and int take one number, and this tensor has many. Use the tensor as it is."
    return (
        "A function of the module math takes one number. For a tensor use torch's functions: "
        "torch.sin, torch.cos, torch.exp."
    )


def _stopped(failure: Failure) -> str:
    """An answer that stops by itself."""
    if failure.kind == "AssertionError":
        return (
            f"The condition of your assert does not hold here: {failure.code or 'see that line'}."
        )
    if failure.kind in ("SystemExit", "KeyboardInterrupt"):
        return "Your code ends Python there. Leave out exit() and quit()."
    return ""


def _own_name(failure: Failure) -> str:
    match = re.search(r"name '(\w+)' is not defined", failure.text)
    if not match or match[1] not in failure.attributes:
        return ""
    return f"Your object has {match[1]}. Write self.{match[1]}."


def outer_cure(failure: Failure) -> str:
    """Two vectors that were to meet as rows and columns: timesteps and frequencies."""
    vectors = {k: v for k, v in failure.shapes.items() if len(v) == 1}
    met = ("must match the size", "inconsistent tensor size", "size mismatch")
    if not any(text in failure.text for text in met) or len(set(vectors.values())) < 2:
        return ""
    (one, first), (other, second) = list(vectors.items())[:2]
    return (
        f"{one} is {first} and {other} is {second}. Each number of {one} needs a row, with one "
        f"product for each number of {other}: write {one}[:, None] * {other}."
    )


def reshape_cure(failure: Failure, shape: tuple[int, int]) -> str:
    """Numbers of this shape, (B, C), that meet a feature map as they are."""
    if failure.kind != "RuntimeError":
        return ""
    for name, found in failure.shapes.items():
        if found == shape:
            return _spread(f"{name} is {shape}", name)
        if tuple(size for size in found if size > 1) == shape and found != (*shape, 1, 1):
            return f"{name} is {found}, and must be {(*shape, 1, 1)}: one number for each channel."
    sizes = re.search(r"tensor a \((\d+)\) must match .* tensor b \((\d+)\) .* 3$", failure.text)
    if sizes and str(shape[1]) in sizes.groups() and len(failure.shapes) == 2:
        return _spread("What meets the feature map is (B, C)", "x")
    return ""


def _spread(what: str, name: str) -> str:
    return (
        f"{what}, and the feature map (B, C, H, W). One number serves a whole channel: "
        f"{name}[:, :, None, None], which is (B, C, 1, 1)."
    )


_LOOKS = (
    _handed_over,
    _hidden,
    _activation,
    _tuple,
    _nothing,
    _class,
    _attribute,
    _function,
    _own_name,
    _one_number,
    _row,
    _stopped,
)
