"""einops, torchmetrics, torchdiffeq, accelerate, peft, diffusers: what their first pages show."""

import importlib.util

import torch
from casekit import case


def einops_layers():
    from einops import rearrange, reduce, repeat
    from einops.layers.torch import Rearrange

    x = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()
    assert rearrange(x, "a b c -> (a c) b").shape == (8, 3)
    assert reduce(x, "a b c -> b", "mean").shape == (3,)
    assert repeat(x, "a b c -> a b (c two)", two=2).shape == (2, 3, 8)
    net = torch.nn.Sequential(Rearrange("a b c -> a (b c)"), torch.nn.Linear(12, 1))
    net(x).sum().backward()
    assert x.grad.shape == x.shape


def torchmetrics_classes():
    import torchmetrics

    accuracy = torchmetrics.classification.MulticlassAccuracy(num_classes=3, average="micro")
    accuracy.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
    assert round(accuracy.compute().item(), 4) == 0.6667
    metrics = torchmetrics.MetricCollection(
        [torchmetrics.MeanSquaredError(), torchmetrics.MeanAbsoluteError()]
    )
    out = metrics(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    assert out["MeanSquaredError"].item() == 2.0
    f1 = torchmetrics.functional.f1_score(
        torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), task="binary"
    )
    assert 0 < f1.item() < 1


def torchdiffeq_gradients():
    from torchdiffeq import odeint, odeint_adjoint

    class Decay(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = torch.nn.Parameter(torch.tensor(0.5))

        def forward(self, t, y):
            return -self.rate * y

    model, times = Decay(), torch.linspace(0.0, 1.0, 3)
    for solve in (odeint, odeint_adjoint):
        out = solve(model, torch.ones(2), times)
        assert torch.allclose(out[-1], torch.exp(torch.tensor(-0.5)), atol=1e-4)
        model.zero_grad()
        out[-1].sum().backward()
        assert abs(model.rate.grad.item() + 2 * 0.60653) < 1e-3


def accelerate_loop():
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(net.parameters())
    data = torch.utils.data.TensorDataset(torch.randn(8, 2), torch.randn(8, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    net, optimizer, loader = accelerator.prepare(net, optimizer, loader)
    for x, y in loader:
        with accelerator.accumulate(net):
            loss = torch.nn.functional.mse_loss(net(x), y)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()


def peft_lora():
    import transformers
    from peft import LoraConfig, get_peft_model

    config = transformers.LlamaConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, vocab_size=50,
        intermediate_size=37,
    )  # fmt: skip
    model = get_peft_model(
        transformers.LlamaForCausalLM(config), LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
    )
    ids = torch.randint(0, 50, (2, 5))
    model(input_ids=ids, labels=ids).loss.backward()
    trained = [name for name, p in model.named_parameters() if p.grad is not None]
    assert trained and all("lora_" in name for name in trained)


def diffusers_unet():
    from diffusers import DDPMScheduler, UNet2DModel

    model = UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, norm_num_groups=4,
        block_out_channels=(8, 16), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    scheduler = DDPMScheduler(num_train_timesteps=10)
    clean, noise = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    steps = torch.tensor([1, 7])
    out = model(scheduler.add_noise(clean, noise, steps), steps).sample
    torch.nn.functional.mse_loss(out, noise).backward()
    with torch.no_grad():
        step = scheduler.step(model(clean, 3).sample, 3, clean)
    assert step.prev_sample.shape == clean.shape


for package, function in {
    "einops": einops_layers,
    "torchmetrics": torchmetrics_classes,
    "torchdiffeq": torchdiffeq_gradients,
    "accelerate": accelerate_loop,
    "peft": peft_lora,
    "diffusers": diffusers_unet,
}.items():
    if importlib.util.find_spec(package):
        case(package, function)
