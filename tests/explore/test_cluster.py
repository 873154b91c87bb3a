"""The same numbers from a cluster, whoever of it is killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_cluster_gives_the_same_bits_although_a_worker_is_killed_and_after_its_scheduler_is(tmp_path):
    script = Path(__file__).with_name("on_cluster.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["worker_killed"]
    here = (tmp_path / "here.bin").read_bytes()
    assert (tmp_path / "cluster.bin").read_bytes() == here
    assert 0 < said["left"] < said["batches"]
    assert (tmp_path / "left.bin").read_bytes() == here
    assert "it went away" in said["said"]
    assert "what was finished is kept in" in said["said"]
    assert "\n" not in said["said"]
