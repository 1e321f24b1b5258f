"""Many packages that need torch: each is imported and used once, as on its first page."""

import importlib
import importlib.util
import tempfile

import torch
from casekit import case

nn = torch.nn
CASES = {}


def package(name, module=None):
    """Note a case; it is run where the module can be found."""

    def note(function):
        CASES[name] = (module or name.replace("-", "_"), function)
        return function

    return note


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def descends(optimizer, net, steps=5):
    x = torch.ones(4, 3)
    first = None
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (net(x) - 3).square().mean()
        loss.backward()
        optimizer.step()
        first = loss.item() if first is None else first
    assert loss.item() < first


@package("kornia")
def _(kornia):
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    kornia.filters.gaussian_blur2d(x, (3, 3), (1.0, 1.0)).sum().backward()
    assert x.grad.shape == x.shape
    assert kornia.color.rgb_to_hsv(x.detach()).shape == x.shape
    assert kornia.geometry.transform.rotate(x.detach(), torch.tensor([30.0])).shape == x.shape


@package("torchaudio")
def _(torchaudio):
    x = torch.sin(torch.arange(400.0) / 5)
    mel = torchaudio.transforms.MelSpectrogram(8000, n_fft=64, n_mels=8)(x)
    assert mel.shape == (8, 13) and mel.max() > 0
    low = torchaudio.functional.lowpass_biquad(x, 8000, 100.0)
    assert low.abs().mean() < x.abs().mean()


@package("torchtext")
def _(torchtext):
    from torchtext.data.utils import get_tokenizer

    assert get_tokenizer("basic_english")("A cat.") == ["a", "cat", "."]


@package("pytorch-metric-learning")
def _(package):
    from pytorch_metric_learning import losses, miners

    x, y = torch.randn(8, 4, requires_grad=True), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    pairs = miners.MultiSimilarityMiner()(x, y)
    (losses.TripletMarginLoss()(x, y, pairs) + losses.ArcFaceLoss(4, 4)(x, y)).backward()
    assert x.grad.norm() > 0


@package("ultralytics")
def _(package):
    from ultralytics.nn.tasks import DetectionModel

    net = DetectionModel("yolov8n.yaml", nc=2, verbose=False)
    net.train()
    out = net(torch.rand(1, 3, 64, 64))
    sum(each.sum() for each in (out.values() if isinstance(out, dict) else out)
        if isinstance(each, torch.Tensor)).backward()  # fmt: skip
    assert any(p.grad is not None for p in net.parameters())


@package("easyocr")
def _(package):
    from easyocr.model.vgg_model import Model

    assert Model(1, 16, 8, 5)(torch.rand(1, 1, 32, 64), None).shape[-1] == 5


@package("bitsandbytes")
def _(bnb):
    net = nn.Linear(3, 2)
    descends(bnb.optim.Adam8bit(net.parameters(), lr=0.1), net)


@package("xformers")
def _(package):
    from xformers.ops import memory_efficient_attention

    x = torch.randn(1, 4, 2, 8)
    assert memory_efficient_attention(x, x, x).shape == x.shape


@package("flash-attn")
def _(package):
    from flash_attn import flash_attn_func

    flash_attn_func(*torch.randn(3, 1, 4, 2, 8))


@package("dgl")
def _(dgl):
    assert dgl.graph(([0, 1], [1, 2])).num_nodes() == 3


@package("torch-scatter")
def _(package):
    from torch_scatter import scatter

    assert scatter(torch.ones(3), torch.tensor([0, 0, 1])).tolist() == [2.0, 1.0]


@package("trl")
def _(trl):
    import transformers
    from datasets import Dataset

    config = transformers.LlamaConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=50,
        intermediate_size=17,
    )  # fmt: skip
    rows = Dataset.from_dict({"input_ids": [[5, 6, 7, 8]] * 8})
    with tempfile.TemporaryDirectory() as folder:
        options = trl.SFTConfig(
            folder, max_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True,
            bf16=False, save_strategy="no", eos_token=None, pad_token="a",
        )  # fmt: skip
        from tokenizers import Tokenizer, models

        words = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="a", eos_token="b"
        )
        trainer = trl.SFTTrainer(
            transformers.LlamaForCausalLM(config), args=options, train_dataset=rows,
            processing_class=tokenizer,
        )  # fmt: skip
        assert trainer.train().global_step == 2


@package("datasets")
def _(datasets):
    rows = datasets.Dataset.from_dict({"x": [[1.0, 2.0], [3.0, 4.0]]}).with_format("torch")
    assert isinstance(rows[0]["x"], torch.Tensor) and rows["x"][:].sum().item() == 10
    loader = torch.utils.data.DataLoader(rows, batch_size=2)
    assert next(iter(loader))["x"].shape == (2, 2)


@package("evaluate")
def _(evaluate):
    class Mine(evaluate.Metric):
        def _info(self):
            import datasets

            features = datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            )
            return evaluate.MetricInfo(description="", citation="", features=features)

        def _compute(self, predictions, references):
            return {"same": sum(a == b for a, b in zip(predictions, references, strict=True))}

    found = Mine().compute(predictions=torch.tensor([1, 2]), references=torch.tensor([1, 3]))
    assert found == {"same": 1}


@package("safetensors")
def _(package):
    from safetensors.torch import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        save_file({"x": torch.arange(4.0), "y": torch.ones(2, dtype=torch.bfloat16)}, f"{folder}/x")
        found = load_file(f"{folder}/x")
    assert found["x"].tolist() == [0, 1, 2, 3] and found["y"].dtype == torch.bfloat16


@package("optuna")
def _(optuna):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    study.optimize(lambda t: torch.tensor(t.suggest_float("x", -1, 1)).square().item(), n_trials=4)
    assert study.best_value < 1


@package("pyro-ppl", "pyro")
def _(pyro):
    import pyro.distributions as dist
    from pyro.infer import SVI, Trace_ELBO
    from pyro.infer.autoguide import AutoNormal
    from pyro.optim import Adam

    def model(data):
        mean = pyro.sample("mean", dist.Normal(0.0, 5.0))
        with pyro.plate("data", len(data)):
            pyro.sample("seen", dist.Normal(mean, 1.0), obs=data)

    pyro.clear_param_store()
    svi = SVI(model, AutoNormal(model), Adam({"lr": 0.1}), Trace_ELBO())
    data = torch.tensor([2.0, 3.0, 4.0])
    losses = [svi.step(data) for _ in range(20)]
    assert sum(losses[-5:]) < sum(losses[:5])


@package("gpytorch")
def _(gpytorch):
    class Model(gpytorch.models.ExactGP):
        def __init__(self, x, y, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gpytorch.means.ConstantMean()
            self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(
                self.mean_module(x), self.covar_module(x)
            )

    x = torch.linspace(0, 1, 8)
    y = torch.sin(x * 6)
    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    model = Model(x, y, likelihood)
    loss_of = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = -loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    model.eval()
    with torch.no_grad():
        assert model(torch.tensor([0.5])).mean.shape == (1,)


@package("botorch")
def _(botorch):
    from botorch.acquisition import LogExpectedImprovement
    from botorch.models import SingleTaskGP

    x = torch.rand(5, 1, dtype=torch.float64)
    model = SingleTaskGP(x, torch.sin(x * 6))
    best = LogExpectedImprovement(model, best_f=0.5)(torch.rand(3, 1, 1, dtype=torch.float64))
    assert best.shape == (3,) and torch.isfinite(best).all()


@package("captum")
def _(captum):
    from captum.attr import IntegratedGradients, Saliency

    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = torch.randn(2, 3)
    found, delta = IntegratedGradients(net).attribute(x, target=1, return_convergence_delta=True)
    assert found.shape == x.shape and delta.abs().max() < 1e-2
    assert Saliency(net).attribute(x.requires_grad_(), target=0).shape == x.shape


@package("torchinfo")
def _(torchinfo):
    assert torchinfo.summary(small(), (1, 3, 8, 8), verbose=0).total_params == 402


@package("torchsummary")
def _(torchsummary):
    torchsummary.summary(small(), (3, 8, 8), device="cpu")


@package("thop")
def _(thop):
    assert thop.profile(small(), (torch.rand(1, 3, 8, 8),), verbose=False)[1] == 402


@package("fvcore")
def _(fvcore):
    from fvcore.nn import FlopCountAnalysis

    assert FlopCountAnalysis(small(), torch.rand(1, 3, 8, 8)).total() > 0


@package("ptflops")
def _(ptflops):
    macs, count = ptflops.get_model_complexity_info(
        small(), (3, 8, 8), as_strings=False, print_per_layer_stat=False, verbose=False
    )
    assert macs > 0 and count == 402


@package("tensordict")
def _(tensordict):
    data = tensordict.TensorDict({"a": torch.zeros(3, 2), "b": {"c": torch.ones(3)}}, [3])
    assert data[1]["b", "c"].item() == 1 and data.reshape(3, 1).batch_size == (3, 1)
    assert torch.stack([data, data]).batch_size == (2, 3)


@package("torchrl")
def _(torchrl):
    from torchrl.modules import MLP

    assert MLP(in_features=3, out_features=2, num_cells=[4])(torch.ones(1, 3)).shape == (1, 2)


@package("monai")
def _(monai):
    net = monai.networks.nets.UNet(2, 1, 2, channels=(4, 8), strides=(2,))
    loss = monai.losses.DiceLoss(to_onehot_y=True, softmax=True)
    loss(net(torch.rand(1, 1, 16, 16)), torch.randint(0, 2, (1, 1, 16, 16))).backward()
    x = monai.transforms.Compose([monai.transforms.RandFlip(1.0, 0)])(torch.rand(1, 8, 8))
    assert x.shape == (1, 8, 8)


@package("fastai")
def _(fastai):
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner

    rows = [(torch.ones(3) * i, torch.tensor([float(i)])) for i in range(8)]
    loaders = DataLoaders.from_dsets(rows, rows, bs=4, device="cpu")
    learner = Learner(loaders, nn.Linear(3, 1), loss_func=nn.MSELoss())
    with learner.no_logging():
        learner.fit(1)


@package("flair")
def _(flair):
    from flair.data import Sentence

    assert len(Sentence("A cat sat.")) == 4


@package("spacy-transformers")
def _(package):
    assert package.__version__


@package("stable-baselines3")
def _(package):
    from stable_baselines3 import PPO

    PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=16, device="cpu").learn(32)


@package("openai-whisper", "whisper")
def _(whisper):
    sizes = whisper.model.ModelDimensions(
        n_mels=80, n_audio_ctx=10, n_audio_state=8, n_audio_head=2, n_audio_layer=1,
        n_vocab=20, n_text_ctx=8, n_text_state=8, n_text_head=2, n_text_layer=1,
    )  # fmt: skip
    net = whisper.model.Whisper(sizes)
    out = net(torch.randn(1, 80, 20), torch.zeros(1, 3, dtype=torch.long))
    out.sum().backward()
    assert out.shape == (1, 3, 20)


@package("demucs")
def _(demucs):
    from demucs.demucs import Demucs

    net = Demucs(["a", "b"], channels=4, depth=2, lstm_layers=0, dconv_mode=0)
    assert net(torch.randn(1, 2, 512)).shape[:2] == (1, 2)


@package("einx")
def _(einx):
    x = torch.ones(2, 3)
    assert einx.sum("a [b]", x).tolist() == [3, 3]
    assert einx.dot("a b, b c -> a c", x, torch.ones(3, 4)).shape == (2, 4)


@package("open-clip-torch", "open_clip")
def _(open_clip):
    from open_clip.model import CLIP

    net = CLIP(
        8,
        {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
        {"context_length": 7, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1},
    )
    image, text, scale = net(torch.rand(2, 3, 16, 16), torch.randint(0, 50, (2, 7)))[:3]
    open_clip.ClipLoss()(image, text, scale).backward()


@package("rotary-embedding-torch")
def _(package):
    x = torch.randn(1, 2, 4, 8)
    turned = package.RotaryEmbedding(8).rotate_queries_or_keys(x)
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-5)


@package("vector-quantize-pytorch")
def _(package):
    found, indices, loss = package.VectorQuantize(dim=4, codebook_size=6)(torch.randn(1, 5, 4))
    assert found.shape == (1, 5, 4) and indices.shape == (1, 5)


@package("x-transformers")
def _(package):
    net = package.AutoregressiveWrapper(
        package.TransformerWrapper(
            num_tokens=20, max_seq_len=8, attn_layers=package.Decoder(dim=16, depth=1, heads=2)
        )
    )
    net(torch.randint(0, 20, (1, 8))).backward()


@package("vit-pytorch")
def _(package):
    net = package.ViT(
        image_size=16, patch_size=8, num_classes=2, dim=8, depth=1, heads=2, mlp_dim=8
    )
    net(torch.rand(1, 3, 16, 16)).sum().backward()


@package("adabelief-pytorch")
def _(package):
    net = nn.Linear(3, 2)
    descends(package.AdaBelief(net.parameters(), lr=0.1, print_change_log=False), net)


@package("schedulefree")
def _(package):
    net = nn.Linear(3, 2)
    optimizer = package.AdamWScheduleFree(net.parameters(), lr=0.1)
    optimizer.train()
    descends(optimizer, net)
    optimizer.eval()


@package("torch-ema")
def _(package):
    net = nn.Linear(3, 2)
    averaged = package.ExponentialMovingAverage(net.parameters(), decay=0.9)
    averaged.update()
    with averaged.average_parameters():
        net(torch.ones(1, 3))


@package("denoising-diffusion-pytorch")
def _(package):
    net = package.Unet(dim=8, dim_mults=(1, 2), flash_attn=False, channels=1)
    package.GaussianDiffusion(net, image_size=8, timesteps=4)(torch.rand(1, 1, 8, 8)).backward()


@package("torchsde")
def _(torchsde):
    class Walk(nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t, y):
            return -y

        def g(self, t, y):
            return 0.1 * torch.ones_like(y)

    times = torch.linspace(0, 1, 3)
    assert torchsde.sdeint(Walk(), torch.ones(2, 1), times, dt=0.1).shape == (3, 2, 1)


@package("torchcde")
def _(torchcde):
    coefficients = torchcde.natural_cubic_coeffs(torch.rand(1, 5, 2))
    spline = torchcde.CubicSpline(coefficients)
    assert spline.evaluate(spline.interval[-1]).shape == (1, 2)


@package("lpips")
def _(lpips):
    net = lpips.LPIPS(pretrained=False, net="squeeze", pnet_rand=True, verbose=False)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    assert net(x, x).abs().max() < 1e-5


@package("piq")
def _(piq):
    x = torch.rand(1, 3, 32, 32)
    y = (x + 0.1).clamp(max=1).requires_grad_()
    assert abs(piq.ssim(x, x).item() - 1) < 1e-5
    piq.SSIMLoss()(y, x).backward()


@package("pytorch-msssim")
def _(package):
    x = torch.rand(1, 3, 32, 32)
    assert abs(package.ssim(x, x, data_range=1).item() - 1) < 1e-5


@package("torch-fidelity")
def _(package):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    x = fid_features_to_statistics(torch.randn(20, 4))
    assert abs(fid_statistics_to_metric(x, x, False)["frechet_inception_distance"]) < 1e-3


@package("pytorch-tabnet")
def _(package):
    from pytorch_tabnet.tab_model import TabNetClassifier

    x = torch.randn(32, 4).numpy()
    net = TabNetClassifier(n_d=4, n_a=4, n_steps=1, verbose=0)
    net.fit(x, (x.sum(1) > 0).astype(int), max_epochs=1, batch_size=16, virtual_batch_size=8)
    assert net.predict(x).shape == (32,)


@package("entmax")
def _(entmax):
    x = torch.randn(2, 5, requires_grad=True)
    entmax.entmax15(x, dim=1)[:, 0].sum().backward()
    assert entmax.sparsemax(x, dim=1).sum(1).allclose(torch.ones(2))


@package("torchdyn")
def _(package):
    from torchdyn.core import NeuralODE

    times, path = NeuralODE(nn.Linear(2, 2), solver="rk4")(
        torch.ones(1, 2), torch.linspace(0, 1, 3)
    )
    assert path.shape == (3, 1, 2)


@package("pytorch-ignite", "ignite")
def _(ignite):
    from ignite.engine import create_supervised_trainer
    from ignite.metrics import Accuracy

    net = nn.Linear(3, 2)
    trainer = create_supervised_trainer(
        net, torch.optim.SGD(net.parameters(), 0.1), nn.CrossEntropyLoss()
    )
    state = trainer.run([(torch.ones(2, 3), torch.tensor([0, 1]))] * 2, max_epochs=2)
    assert state.iteration == 4
    metric = Accuracy()
    metric.update((torch.eye(2), torch.tensor([0, 1])))
    assert metric.compute() == 1


@package("pytorch-forecasting")
def _(package):
    from pytorch_forecasting.metrics import SMAPE

    assert SMAPE()(torch.ones(2, 3), torch.ones(2, 3)).item() == 0


@package("torchdata")
def _(package):
    from torchdata.stateful_dataloader import StatefulDataLoader

    loader = StatefulDataLoader(list(range(6)), batch_size=2)
    walk = iter(loader)
    next(walk)
    state = loader.state_dict()
    again = StatefulDataLoader(list(range(6)), batch_size=2)
    again.load_state_dict(state)
    assert [each.tolist() for each in again] == [[2, 3], [4, 5]]


@package("pytorch-crf", "torchcrf")
def _(torchcrf):
    crf = torchcrf.CRF(3, batch_first=True)
    scores, tags = torch.randn(2, 4, 3), torch.randint(0, 3, (2, 4))
    (-crf(scores, tags)).backward()
    assert len(crf.decode(scores)) == 2


@package("tensorboardX")
def _(package):
    with tempfile.TemporaryDirectory() as folder, package.SummaryWriter(folder) as writer:
        writer.add_scalar("loss", torch.tensor(1.0), 0)
        writer.add_histogram("weights", torch.randn(10), 0)


@package("local-attention")
def _(package):
    x = torch.randn(1, 2, 8, 4)
    assert package.LocalAttention(dim=4, window_size=4, causal=True)(x, x, x).shape == x.shape


@package("linformer")
def _(package):
    assert package.Linformer(dim=8, seq_len=6, depth=1, heads=2, k=3)(torch.randn(1, 6, 8)).shape


@package("performer-pytorch")
def _(package):
    net = package.Performer(dim=8, depth=1, heads=2, dim_head=4)
    net(torch.randn(1, 6, 8)).sum().backward()


@package("perceiver-pytorch")
def _(package):
    net = package.Perceiver(
        input_channels=3, input_axis=2, num_freq_bands=2, max_freq=4.0, depth=1, num_latents=4,
        latent_dim=8, cross_heads=1, latent_heads=2, num_classes=2,
    )  # fmt: skip
    assert net(torch.rand(1, 4, 4, 3)).shape == (1, 2)


@package("pytorch-wavelets")
def _(package):
    low, high = package.DWTForward(J=1, wave="haar")(torch.rand(1, 1, 8, 8))
    assert low.shape == (1, 1, 4, 4)


for each, (module, function) in CASES.items():
    if importlib.util.find_spec(module):
        case(each, lambda m=module, f=function: f(importlib.import_module(m)))
