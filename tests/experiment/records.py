"""The record of a tiny run, changed by hand."""

import hashlib
import json

NAME = "adagn-seed7-16x2-batch_size4-width8-val_images10-precisionfloat32"


def json_of(folder):
    return json.loads((folder / f"{NAME}.json").read_text())


def write(folder, content, name=NAME):
    (folder / f"{name}.json").write_text(json.dumps(content))


def hashed_again(content):
    """The record with a checksum that fits, as somebody who knows how would forge it."""
    body = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return {**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def only_message(problems):
    (message,) = problems
    return message


def assert_tells_the_cure(message, name=NAME):
    assert name in message
    assert f"Make it with: condlesson train --variant {name.split('-')[0]} " in message
