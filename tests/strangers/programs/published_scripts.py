"""Whole scripts as people publish them, in `scripts/`, with local data and small models.

Each is a process of its own, started with `kuai run`; the lines in which it prints numbers (`number
loss 0.693`) and texts have to be PyTorch's, which `numbers/scripts.json` holds.
"""

import importlib.util
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from casekit import case

HERE = pathlib.Path(__file__).parent
STORED = HERE / "numbers" / "scripts.json"
STARTER = os.environ.get("STRANGERS_START", "").split()  # what runs a script where torch is PyTorch
CLASSIFY = (
    "--train_file {data}/train.csv --validation_file {data}/validation.csv "
    "--model_name_or_path {data}/bert --output_dir {out} "
)
TRAINER = CLASSIFY + (
    "--do_train --do_eval --use_cpu --num_train_epochs 3 --per_device_train_batch_size 16 "
    "--learning_rate 5e-3 --logging_steps 1 --eval_strategy epoch --save_strategy epoch "
    "--load_best_model_at_end --metric_for_best_model loss --report_to none"
)
TIMM = "--data-dir {data}/pictures --output {out} --batch-size 16 --no-aug "
VISION = "--data-path {data}/pictures --output-dir {out} --model-ema "
#: Case: the packages it needs, and the script with its arguments.
RUNS = {
    "mnist": ("", "mnist.py --save-model {out}.pt"),
    "dcgan": ("torchvision", "dcgan.py --dataroot {data}/pictures/train --outf {out}"),
    "dqn": ("gymnasium", "dqn.py"),
    "translate": ("", "translate.py"),
    "beam": ("", "beam_search.py"),
    "experts": ("", "mixture_of_experts.py"),
    "maml": ("", "maml.py"),
    "hogwild": ("", "hogwild.py"),
    "nanogpt": ("", "nanogpt_train.py --data_dir={data}/characters --out_dir={characters} --init_from=resume"),
    "nanogpt.eager": (
        "",
        "nanogpt_train.py --data_dir={data}/characters --out_dir={characters} --init_from=resume "
        "--compile=False --gradient_accumulation_steps=1",
    ),
    "nanogpt.half": ("", "nanogpt_train.py --data_dir={data}/characters --out_dir={out} --dtype=float16"),
    "Trainer": ("transformers datasets", f"hf_trainer_classify.py {TRAINER}"),
    "accelerate": ("transformers datasets accelerate", f"hf_no_trainer_classify.py {CLASSIFY}"),
    "causal.llama": (
        "transformers datasets",
        "hf_causal_lm.py --model_name_or_path {data}/llama --train_file {data}/text.txt --output_dir {out}",
    ),
    "causal.gpt2": (
        "transformers datasets",
        "hf_causal_lm.py --model_name_or_path {data}/gpt2 --train_file {data}/text.txt --output_dir {out}",
    ),
    "peft": (
        "peft datasets",
        "peft_lora.py --base_model {data}/llama --data_path {data}/train.csv --output_dir {out}",
    ),
    "diffusers": (
        "diffusers datasets torchvision",
        "diffusers_train.py --train_data_dir {data}/pictures/train --output_dir {out}",
    ),
    "sentence-transformers": (
        "sentence_transformers datasets",
        "sentence_transformers_fit.py --model {data}/bert --data {data}/train.csv --output_dir {out}",
    ),
    "lightning": ("lightning torchmetrics", "lightning_train.py {out}"),
    "torchvision": ("torchvision", f"torchvision_train.py {VISION} --weights {{data}}/resnet18.pth"),
    "torchvision.amp": (
        "torchvision",
        f"torchvision_train.py {VISION} --epochs 2 --amp --augment --mixup-alpha 0.2 --opt rmsprop "
        "--model mobilenet_v3_small --lr 0.001",
    ),
    "timm": (
        "timm torchvision",
        f"timm_train.py {TIMM} --model-ema --clip-grad 1.0 --initial-checkpoint {{data}}/timm.pth --img-size 64",
    ),
    "timm.recipe": (
        "timm torchvision",
        "timm_train.py --data-dir {data}/pictures --output {out} --mixup 0.8 --cutmix 1.0 "
        "--aa rand-m9-mstd0.5-inc1 --reprob 0.25 --amp --grad-accum-steps 2 --grad-checkpointing "
        "--layer-decay 0.75 --opt lamb --sched-on-updates --epochs 2 --img-size 64 --torchcompile",
    ),
}  # fmt: skip
#: Scripts whose chances (weights, pictures) are not PyTorch's: they have to run to their end.
FREE = {"dqn", "nanogpt.half", "sentence-transformers", "torchvision.amp", "timm.recipe"}


def environment():
    kept = {k: v for k, v in os.environ.items() if k not in ("STRANGERS_CASES", "KUAI_FUSED")}
    return kept | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}


def start(line, fused=False):
    """Run a script and return what it printed."""
    script, *arguments = line.split()
    ours = [sys.executable, "-m", "kuai", "run", *(["--fused"] if fused else [])]
    done = subprocess.run(
        [*(STARTER or ours), str(HERE / "scripts" / script), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
    )
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    assert done.returncode == 0, f"{last} (status {done.returncode})"
    return [text for text in done.stdout.splitlines() if text.startswith(("number ", "text "))]


def published(name, line, data, fused):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(data / "characters", f"{folder}/characters")
        said = start(
            line.format(data=data, out=f"{folder}/out", characters=f"{folder}/characters"), fused
        )
    if STARTER:
        stored = json.loads(STORED.read_text()) if STORED.exists() else {}
        stored |= {} if name in FREE else {name: said}
        STORED.write_text(json.dumps(stored, indent=0, sort_keys=True) + "\n")
    elif name not in FREE:
        compare(json.loads(STORED.read_text())[name], said)


def compare(wanted, said):
    """Texts have to be the same, numbers as near as float32 keeps them over some steps."""
    assert len(wanted) == len(said), f"{len(said)} lines, {len(wanted)} with PyTorch: {said[:3]}"
    for one, other in zip(wanted, said, strict=True):
        if one.startswith("number"):
            *what, value = one.split()
            *mine, found = other.split()
            near = math.isclose(float(value), float(found), rel_tol=2e-3, abs_tol=2e-5)
            assert what == mine and near, f"{other}, with PyTorch {one}"
        else:
            assert one == other, f"{other}, with PyTorch {one}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        start(f"prepare.py {data}")
        for name, (packages, line) in RUNS.items():
            if all(importlib.util.find_spec(package) for package in packages.split()):
                case(name, published, name, line, data, False)
                if not STARTER:
                    case(f"{name}.fused", published, name, line, data, True)


if __name__ == "__main__":
    main()
