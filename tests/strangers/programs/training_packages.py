"""Packages that train: Lightning, skorch, ema, d2l, optimizers of PyPI, segmentation, graphs."""

import importlib.util
import tempfile

import torch
from casekit import case, train

nn = torch.nn


def batches(count=6):
    data = torch.utils.data.TensorDataset(torch.randn(count, 4), torch.randint(0, 3, (count,)))
    return torch.utils.data.DataLoader(data, batch_size=2)


def lightning_trainer(name):
    pl = importlib.import_module(name)

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Linear(4, 3)

        def training_step(self, batch, index):
            x, y = batch
            loss = nn.functional.cross_entropy(self.net(x), y)
            self.log("loss", loss)
            return loss

        def validation_step(self, batch, index):
            x, y = batch
            self.log("seen", nn.functional.cross_entropy(self.net(x), y))

        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    with tempfile.TemporaryDirectory() as folder:
        options = dict(
            logger=False, enable_progress_bar=False, enable_model_summary=True, accelerator="cpu",
            devices=1, default_root_dir=folder,
        )  # fmt: skip
        trainer = pl.Trainer(max_epochs=2, **options)
        model = Model()
        before = model.net.weight.detach().clone()
        trainer.fit(model, batches(), batches())
        assert trainer.global_step == 6 and not torch.equal(before, model.net.weight)
        path = trainer.checkpoint_callback.best_model_path
        again = Model.load_from_checkpoint(path, weights_only=True)
        assert torch.equal(again.net.weight, model.net.weight)
        longer = pl.Trainer(max_epochs=3, **options)
        longer.fit(Model(), batches(), ckpt_path=path, weights_only=True)
        assert longer.global_step == 9


def minimizes(make, steps=30):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    x = torch.randn(16, 4)
    y = x.sum(1, keepdim=True)
    optimizer = make(net)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward(create_graph=getattr(optimizer, "needs_graph", False))
        return loss

    first = closure().item()
    for _ in range(steps):
        loss = closure()
        optimizer.step(closure if getattr(optimizer, "needs_closure", False) else None)
    assert loss.item() < first
    optimizer.load_state_dict(optimizer.state_dict())


def lion():
    from lion_pytorch import Lion

    minimizes(lambda net: Lion(net.parameters(), lr=1e-2, weight_decay=1e-2))


def prodigy():
    from prodigyopt import Prodigy

    minimizes(lambda net: Prodigy(net.parameters(), lr=1.0))


TORCH_OPTIMIZERS = (
    "AdaBound", "AdaMod", "Adafactor", "AdamP", "AggMo", "Apollo", "DiffGrad", "LARS", "Lamb",
    "MADGRAD", "NovoGrad", "PID", "QHAdam", "QHM", "RAdam", "Ranger", "RangerQH", "SGDP", "SGDW",
    "SWATS", "Shampoo", "Yogi",
)  # fmt: skip


def torch_optimizers():
    import torch_optimizer

    for name in TORCH_OPTIMIZERS:
        lr = {} if name == "Adafactor" else {"lr": 1e-2}
        minimizes(lambda net, n=name, o=lr: getattr(torch_optimizer, n)(net.parameters(), **o), 20)


PYTORCH_OPTIMIZERS = (
    "adabelief", "adabound", "adai", "adalite", "adamp", "adan", "adapnm", "ademamix", "apollo",
    "came", "diffgrad", "fadam", "grams", "lamb", "lars", "lion", "madgrad", "mars", "nero",
    "novograd", "pnm", "prodigy", "radam", "ranger21", "schedulefreeadamw",
    "sgdp", "shampoo", "sm3", "soap", "sophiah", "stableadamw", "tiger", "yogi",
)  # fmt: skip


def pytorch_optimizers():
    import pytorch_optimizer

    failed = {}
    for name in PYTORCH_OPTIMIZERS:
        kind = pytorch_optimizer.load_optimizer(name)
        options = {"num_iterations": 30} if name == "ranger21" else {}

        def make(net, kind=kind, options=options, name=name):
            optimizer = kind(net.parameters(), lr=1e-2, **options)
            if name.startswith("schedulefree"):
                optimizer.train()
            optimizer.needs_graph = name == "sophiah"
            return optimizer

        try:
            minimizes(make, 40)
        except Exception as error:  # noqa: BLE001 - named below
            failed[name] = f"{type(error).__name__}: {error}"
    assert not failed, failed


def sam():
    import pytorch_optimizer

    def make(net):
        optimizer = pytorch_optimizer.SAM(net.parameters(), torch.optim.SGD, lr=1e-2)
        optimizer.needs_closure = True
        return optimizer

    minimizes(make, 10)


def ema():
    from ema_pytorch import EMA

    net = nn.Linear(3, 2)
    averaged = EMA(net, beta=0.9, update_after_step=0, update_every=1)
    for _ in range(4):
        with torch.no_grad():
            net.weight.add_(1)
        averaged.update()
    assert averaged(torch.ones(1, 3)).shape == (1, 2)


def skorch_classifier():
    import numpy
    from skorch import NeuralNetClassifier

    x = numpy.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    y = (x.sum(1) > 0).astype("int64")
    net = NeuralNetClassifier(
        lambda: nn.Linear(4, 2), criterion=nn.CrossEntropyLoss, max_epochs=3, verbose=0
    )
    net.fit(x, y)
    assert net.predict(x).shape == (40,)


def segmentation_models():
    import segmentation_models_pytorch as smp

    for name in ("Unet", "FPN", "DeepLabV3Plus", "Linknet"):
        net = smp.create_model(name, encoder_name="resnet18", encoder_weights=None, classes=2)
        loss = smp.losses.DiceLoss("multiclass")
        target = torch.randint(0, 2, (2, 64, 64))
        train(net, torch.randn(2, 3, 64, 64), lambda out: loss(out, target), steps=1)  # noqa: B023
    output = torch.randint(0, 2, (2, 1, 8, 8))
    scores = smp.metrics.get_stats(output, output, mode="binary")
    assert smp.metrics.iou_score(*scores, reduction="micro").item() == 1.0


def graphs():
    from torch_geometric.data import Batch, Data
    from torch_geometric.loader import DataLoader
    from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv, global_mean_pool

    edges = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
    graph = Data(x=torch.randn(3, 4), edge_index=edges, y=torch.tensor([1]))
    mlp = nn.Sequential(nn.Linear(4, 5))
    for layer in (GCNConv(4, 5), GATConv(4, 5), SAGEConv(4, 5), GINConv(mlp)):
        out = layer(graph.x, graph.edge_index)
        assert out.shape == (3, 5)
        out.sum().backward()
    batch = Batch.from_data_list([graph, graph])
    assert global_mean_pool(batch.x, batch.batch).shape == (2, 4)
    assert next(iter(DataLoader([graph] * 4, batch_size=4))).num_graphs == 4


def equivariant():
    from e3nn import o3
    from e3nn.nn import FullyConnectedNet

    x = torch.randn(5, 3)
    harmonics = o3.spherical_harmonics([0, 1, 2], x, normalize=True)
    turn = o3.rand_matrix()
    product = o3.FullyConnectedTensorProduct("1x0e+1x1o", "1x1o", "2x0e+1x1o")
    features = torch.randn(5, 4)
    big = o3.Irreps("1x0e+1x1o").D_from_matrix(turn)
    out = product(features, x)
    turned = product(features @ big.T, x @ turn.T)
    after = o3.Irreps("2x0e+1x1o").D_from_matrix(turn)
    assert torch.allclose(turned, out @ after.T, atol=1e-4)
    assert harmonics.shape == (5, 9)
    FullyConnectedNet([4, 8, 2], torch.nn.functional.silu)(features).sum().backward()


def book():
    from d2l import torch as d2l

    class Regression(d2l.LinearRegressionScratch):
        pass

    data = d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2, num_train=64, num_val=32)
    model = Regression(2, lr=0.1)
    model.board.display = False
    d2l.Trainer(max_epochs=3).fit(model, data)
    net = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    net(torch.randn(2, 4))
    rnn = d2l.RNN(5, 6)
    assert rnn(torch.randn(3, 2, 5))[0].shape == (3, 2, 6)
    attention = d2l.MultiHeadAttention(8, 2, 0.0)
    x = torch.randn(2, 4, 8)
    assert attention(x, x, x, torch.tensor([3, 2])).shape == (2, 4, 8)


def sentences():
    from sentence_transformers import SentenceTransformer, losses, models, util
    from transformers import BertConfig, BertModel, BertTokenizer

    with tempfile.TemporaryDirectory() as folder:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "sat", "dog"]
        with open(f"{folder}/vocab.txt", "w") as file:
            file.write("\n".join(words))
        BertTokenizer(f"{folder}/vocab.txt").save_pretrained(folder)
        config = BertConfig(
            vocab_size=9, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16,
        )  # fmt: skip
        BertModel(config).save_pretrained(folder)
        body = models.Transformer(folder)
        model = SentenceTransformer(
            modules=[body, models.Pooling(body.get_word_embedding_dimension())], device="cpu"
        )
        found = model.encode(["a cat sat", "a dog"], convert_to_tensor=True)
        assert util.cos_sim(found, found).diagonal().allclose(torch.ones(2), atol=1e-5)
        features = [model.tokenize(["a cat", "a dog"]) for _ in range(2)]
        losses.MultipleNegativesRankingLoss(model)(features, None).backward()
        model.save(folder + "/saved")
        again = SentenceTransformer(folder + "/saved", device="cpu")
        assert torch.allclose(again.encode(["a dog"], convert_to_tensor=True), found[1:], atol=1e-6)


for package, (name, function, *args) in {
    "lightning": ("lightning", lightning_trainer, "lightning"),
    "pytorch_lightning": ("pytorch-lightning", lightning_trainer, "pytorch_lightning"),
    "lion_pytorch": ("lion-pytorch", lion),
    "prodigyopt": ("prodigyopt", prodigy),
    "torch_optimizer": ("torch-optimizer", torch_optimizers),
    "pytorch_optimizer": ("pytorch-optimizer", pytorch_optimizers),
    "ema_pytorch": ("ema-pytorch", ema),
    "skorch": ("skorch", skorch_classifier),
    "segmentation_models_pytorch": ("segmentation-models-pytorch", segmentation_models),
    "torch_geometric": ("torch-geometric", graphs),
    "e3nn": ("e3nn", equivariant),
    "d2l": ("d2l", book),
    "sentence_transformers": ("sentence-transformers", sentences),
}.items():
    if importlib.util.find_spec(package):
        case(name, function, *args)
