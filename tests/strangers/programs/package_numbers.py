"""diffusers, peft, torchdiffeq, e3nn, torchaudio, torchmetrics: PyTorch's numbers."""

import importlib.util

import torch
from numberkit import draw, draw_ids, model_case, numbers_case


def diffusers_unet():
    from diffusers import DDPMScheduler, UNet2DModel

    model = UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, norm_num_groups=4,
        block_out_channels=(8, 16), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    clean, noise, steps = draw("clean", 2, 1, 8, 8), draw("noise", 2, 1, 8, 8), torch.tensor([1, 7])
    noisy = DDPMScheduler(num_train_timesteps=10).add_noise(clean, noise, steps)
    return model, lambda m: torch.nn.functional.mse_loss(m(noisy, steps).sample, noise)


def peft_lora():
    import transformers
    from peft import LoraConfig, get_peft_model

    config = transformers.LlamaConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, vocab_size=50,
        intermediate_size=37,
    )  # fmt: skip
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.0)
    ids = draw_ids("ids", 2, 5)
    return get_peft_model(
        transformers.LlamaForCausalLM(config), lora
    ), lambda m: m(input_ids=ids, labels=ids).loss


class Field(torch.nn.Module):
    """dy/dt of a small network."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
        )

    def forward(self, t, y):
        return self.net(y)


def ode(adjoint):
    import torchdiffeq

    solve = torchdiffeq.odeint_adjoint if adjoint else torchdiffeq.odeint
    start, times = draw("start", 3, 2), torch.linspace(0.0, 1.0, 4)
    return Field(), lambda m: solve(m, start, times, method="rk4").square().mean()


def equivariant():
    from e3nn import o3

    product = o3.FullyConnectedTensorProduct("2x0e+1x1o", "1x1o", "2x0e+1x1o")
    x, y = draw("x", 5, 5), draw("y", 5, 3)
    return product, lambda m: m(x, y).square().mean()


def sound(_):
    import torchaudio.functional as F
    import torchaudio.transforms as T

    x = torch.sin(torch.arange(800.0) / 7).repeat(2, 1) * 0.5
    ways = {
        "lfilter": lambda: F.lfilter(
            x, torch.tensor([1.0, -0.5, 0.1]), torch.tensor([0.2, 0.3, 0.1])
        ),
        "overdrive": lambda: F.overdrive(x),
        "lowpass": lambda: F.lowpass_biquad(x, 16000, 2000.0),
        "mel": lambda: T.MelSpectrogram(16000, n_fft=128, n_mels=8)(x),
        "mfcc": lambda: T.MFCC(16000, 8, melkwargs={"n_fft": 128, "n_mels": 8})(x),
        "resample": lambda: T.Resample(16000, 8000)(x),
        "phaser": lambda: F.phaser(x, 16000),
        "griffin lim": lambda: T.GriffinLim(64, n_iter=2, rand_init=False)(T.Spectrogram(64)(x)),
    }
    return {name: _summary(way()) for name, way in ways.items()}


def _summary(x):
    return [list(x.shape), x.double().mean().item(), x.double().std().item()]


def metrics(_):
    import torchmetrics
    from torchmetrics import functional as M

    scores, target = draw("scores", 20, 4).softmax(1), draw_ids("target", 20, low=0, high=4)
    x, y = draw("x", 30), draw("y", 30)
    many = {"task": "multiclass", "num_classes": 4}
    found = {
        "accuracy": M.accuracy(scores, target, **many),
        "f1": M.f1_score(scores, target, average="macro", **many),
        "auroc": M.auroc(scores, target, **many),
        "average precision": M.average_precision(scores, target, **many),
        "calibration": M.calibration_error(scores, target, **many),
        "kappa": M.cohen_kappa(scores, target, **many),
        "pearson": M.pearson_corrcoef(x, y),
        "spearman": M.spearman_corrcoef(x, y),
        "r2": M.r2_score(x, y),
        "cosine": M.cosine_similarity(x[None], y[None]),
        "psnr": M.peak_signal_noise_ratio(x, y, data_range=2.0),
        "ssim": M.structural_similarity_index_measure(
            draw("a", 1, 3, 16, 16), draw("b", 1, 3, 16, 16), data_range=1.0
        ),
        "perplexity": M.text.perplexity(
            draw("logits", 2, 3, 5), draw_ids("t", 2, 3, low=0, high=5)
        ),
    }
    running = torchmetrics.classification.MulticlassConfusionMatrix(4)
    for part in range(2):
        running.update(scores[part * 10 : part * 10 + 10], target[part * 10 : part * 10 + 10])
    return {name: value.double().item() for name, value in found.items()} | {
        "confusion": running.compute().tolist()
    }


MODELS = {
    "diffusers": ("UNet2D", diffusers_unet),
    "peft": ("LoRA", peft_lora),
    "e3nn": ("tensor product", equivariant),
}
for package, (name, make) in MODELS.items():
    if importlib.util.find_spec(package):
        model_case("packages", f"{package} {name}".replace(" ", "."), make)
if importlib.util.find_spec("torchdiffeq"):
    model_case("packages", "torchdiffeq", lambda: ode(False))
    model_case("packages", "torchdiffeq.adjoint", lambda: ode(True))
if importlib.util.find_spec("torchaudio"):
    numbers_case("packages", "torchaudio", sound)
if importlib.util.find_spec("torchmetrics"):
    numbers_case("packages", "torchmetrics", metrics)
