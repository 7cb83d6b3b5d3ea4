"""A package index in a folder, for tests of what fetches from one."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile


def add(index: Path, name: str, version: str, needs: Sequence[str] = ()) -> str:
    """Add a wheel that holds one empty module; return its SHA-256."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    described = f"{name}-{version}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    about += [f"Requires-Dist: {need}" for need in needs]
    files = {
        f"{name}.py": "",
        f"{described}/METADATA": "\n".join(about),
        f"{described}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{described}/RECORD"] = "".join(f"{file},,\n" for file in files)
    with ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    links = "".join(f'<a href="{path.name}">{path.name}</a>\n' for path in folder.glob("*.whl"))
    (folder / "index.html").write_text(links)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()
