"""The session that the README prints runs as it is printed."""

import re
from pathlib import Path

import numpy as np
import pytest

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
SESSION = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "calibrate_chip" in block)


@pytest.mark.slow
def test_the_whole_way_in_python_runs_as_printed(tmp_path, monkeypatch, capsys):
    import torch

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    keys = torch.as_tensor(rng.standard_normal((64, 32)), dtype=torch.float32)
    given = {"weights": rng.uniform(-0.5, 0.5, (8, 8)), "keys": keys, "query": keys[[5, 40]]}
    found = dict(given)
    exec(SESSION, found)
    printed = capsys.readouterr().out.splitlines()
    assert "feasible" in printed
    readings, bits = (float(number) for number in printed[-2].split())
    assert (readings, bits) == (found["calibration"].readings_per_ring, found["accuracy"].accuracy_bits)
    assert bits > 11.0
    assert printed[-1] == "()"
    assert (tmp_path / "out" / "layout" / "chip.gds").is_file()
    # The weights are on the chip, and stay true.
    found["calibration"].apply(found["programmed"])
    assert found["calibration"].measure_weights() == pytest.approx(given["weights"], abs=0.01)
    # Every key is its own best block, for the chip as for arithmetic.
    assert found["blocks"][:, 0].tolist() == [5, 40]
    assert found["scores"].shape == (2, 64)
    scores, blocks = found["bundle"].top_k(given["query"].numpy(), keys.numpy(), k=8)
    assert blocks[:, 0].tolist() == [5, 40]
    assert scores == pytest.approx(found["scores"].numpy(), abs=1e-3 * float(np.abs(scores).max()))
