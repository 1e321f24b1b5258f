"""PyTorch's launcher: a program that asks for its rank finds itself alone."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from kuai.distributed import launch, run

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import json, os, sys
import torch.distributed as dist
dist.init_process_group("gloo")
print(json.dumps([dist.get_rank(), dist.get_world_size(), os.environ["LOCAL_RANK"], sys.argv[1:]]))
sys.exit(3)
"""


def test_a_program_is_rank_0_of_1(tmp_path):
    (tmp_path / "train.py").write_text(PROGRAM)
    launcher = ["-m", "kuai", "run", "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [sys.executable, *launcher, "--nproc_per_node", "1", "train.py", "--lr", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    assert json.loads(done.stdout) == [0, 1, "0", ["--lr", "1"]]
    assert done.returncode == 3


@pytest.mark.parametrize("option", ["--nproc-per-node=2", "--nnodes=1:4", "--nnodes=2"])
def test_several_processes_are_refused(option):
    with pytest.raises(SystemExit, match="Kuai runs a program in one process"):
        run.main([option, "train.py"])


def test_what_the_program_is_given():
    args = run.parse_args(["--nproc-per-node=gpu", "--rdzv_id", "7", "-m", "a.b", "-x", "1"])
    assert (args.module, args.training_script, args.training_script_args) == (
        True,
        "a.b",
        ["-x", "1"],
    )
    assert run._environment(args)["TORCHELASTIC_RUN_ID"] == "7"
    started = []
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit, match="0"):
        patch.setattr(launch, "run", lambda args: started.append(args.training_script_args) or 0)
        launch.main(["train.py", "-x"])
    assert started == [["--local-rank=0", "-x"]]
