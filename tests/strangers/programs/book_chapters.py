"""Chapters of "Dive into Deep Learning" with its own library, d2l, on tiny sizes, no network."""

import random

import torch
from casekit import case
from d2l import torch as d2l
from torch import nn

F = nn.functional


class Images(d2l.DataModule):
    """Pictures of chance in place of Fashion-MNIST, whose class follows from their brightness."""

    def __init__(self, size=28, channels=1, count=16, batch_size=8):
        super().__init__()
        self.save_hyperparameters()
        self.y = torch.arange(count) % 2
        self.X = torch.randn(count, channels, size, size) * 0.1 + self.y[:, None, None, None]

    def get_dataloader(self, train):
        return self.get_tensorloader((self.X, self.y), train)


def fit(model, data, epochs=1):
    """The book's loop; the loss at the end of it."""
    model.board.display = False
    trainer = d2l.Trainer(max_epochs=epochs)
    trainer.fit(model, data)
    batch = next(iter(data.val_dataloader()))
    with torch.no_grad():
        loss = model.loss(model(*batch[:-1]), batch[-1])
    assert torch.isfinite(loss).all()
    return loss.mean().item()


def preliminaries():
    x = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    assert (x.sum(axis=0, keepdims=True).shape, torch.cat((x, x), dim=1).shape) == ((1, 4), (3, 8))
    y = torch.arange(4.0, requires_grad=True)
    (2 * torch.dot(y, y)).backward()
    assert torch.equal(y.grad, 4 * y)


def linear_regression():
    data = d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2, num_train=128, num_val=32)
    scratch = d2l.LinearRegressionScratch(2, lr=0.1)
    assert fit(scratch, data, 12) < 0.5
    concise = d2l.LinearRegression(lr=0.1)
    assert fit(concise, data, 12) < 0.5
    w, b = concise.get_w_b()
    assert torch.allclose(w.reshape(-1), torch.tensor([2, -3.4]), atol=0.7)


def weight_decay():
    class Decayed(d2l.LinearRegression):
        def __init__(self, wd, lr):
            super().__init__(lr)
            self.save_hyperparameters()
            self.wd = wd

        def configure_optimizers(self):
            return torch.optim.SGD(
                [{"params": self.net.weight, "weight_decay": self.wd}, {"params": self.net.bias}],
                lr=self.lr,
            )

    data = d2l.SyntheticRegressionData(w=torch.ones(5) * 0.01, b=0.05, num_train=32, num_val=32)
    fit(Decayed(3, 0.01), data, 2)


def softmax_regression():
    class Softmax(d2l.Classifier):
        def __init__(self, num_outputs, lr):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_outputs))

        def forward(self, X):
            return self.net(X)

    data = Images()
    first = fit(Softmax(10, 0.0), data)
    model = Softmax(10, 0.1)
    assert fit(model, data, 3) < first
    X, y = next(iter(data.val_dataloader()))
    assert model.accuracy(model(X), y) >= 0.5


def perceptrons():
    class MLP(d2l.Classifier):
        def __init__(self, lr):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(
                nn.Flatten(), nn.LazyLinear(16), nn.ReLU(), nn.Dropout(0.2), nn.LazyLinear(10)
            )

        def forward(self, X):
            return self.net(X)

    fit(MLP(0.1), Images(), 2)


def builders():
    class Centered(nn.Module):
        def forward(self, X):
            return X - X.mean()

    net = nn.Sequential(nn.LazyLinear(4), Centered())
    assert abs(net(torch.rand(4, 8)).mean().item()) < 1e-6
    net.apply(lambda m: nn.init.constant_(m.weight, 1) if type(m) is nn.Linear else None)
    assert net[0].weight.data[0].tolist() == [1.0] * 8
    assert d2l.try_gpu() == torch.device("cpu") and d2l.num_gpus() == 0


def convolutions():
    X, K = torch.ones((6, 8)), torch.tensor([[1.0, -1.0]])
    X[:, 2:6] = 0
    Y = d2l.corr2d(X, K)
    conv2d = nn.LazyConv2d(1, kernel_size=(1, 2), bias=False)
    X, Y = X.reshape((1, 1, 6, 8)), Y.reshape((1, 1, 6, 7))
    for _ in range(10):
        loss = ((conv2d(X) - Y) ** 2).sum()
        conv2d.zero_grad()
        loss.backward()
        conv2d.weight.data[:] -= 3e-2 * conv2d.weight.grad
    assert loss < 1


def lenet():
    model = d2l.LeNet(lr=0.1)
    data = Images()
    model.apply_init([next(iter(data.train_dataloader()))[0]], d2l.init_cnn)
    model.layer_summary((1, 1, 28, 28))
    fit(model, data)


class Pictures(d2l.Classifier):
    """A classifier of a network that is given."""

    def __init__(self, net, lr=0.01):
        super().__init__()
        self.save_hyperparameters(ignore=["net"])
        self.net = net
        self.net.apply(d2l.init_cnn)


def alexnet():
    net = nn.Sequential(
        nn.LazyConv2d(8, kernel_size=11, stride=4, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2), nn.LazyConv2d(8, kernel_size=5, padding=2),
        nn.ReLU(), nn.Flatten(), nn.LazyLinear(16), nn.ReLU(), nn.Dropout(0.5), nn.LazyLinear(10),
    )  # fmt: skip
    fit(Pictures(net), Images(64))


def vgg():
    def block(convs, channels):
        layers = []
        for _ in range(convs):
            layers += [nn.LazyConv2d(channels, kernel_size=3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))

    net = nn.Sequential(block(1, 4), block(2, 8), nn.Flatten(), nn.LazyLinear(10))
    fit(Pictures(net), Images(32))


def nin():
    def block(channels, size, strides, padding):
        return nn.Sequential(
            nn.LazyConv2d(channels, size, strides, padding), nn.ReLU(),
            nn.LazyConv2d(channels, kernel_size=1), nn.ReLU(),
        )  # fmt: skip

    net = nn.Sequential(
        block(8, 5, 2, 0), nn.MaxPool2d(3, stride=2), block(10, 3, 1, 1),
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(),
    )  # fmt: skip
    fit(Pictures(net), Images(32))


def googlenet():
    class Inception(nn.Module):
        def __init__(self, c1, c2, c3, c4):
            super().__init__()
            self.b1 = nn.LazyConv2d(c1, kernel_size=1)
            self.b2 = nn.Sequential(
                nn.LazyConv2d(c2[0], kernel_size=1), nn.LazyConv2d(c2[1], 3, padding=1)
            )
            self.b3 = nn.LazyConv2d(c3, kernel_size=5, padding=2)
            self.b4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.LazyConv2d(c4, kernel_size=1))

        def forward(self, x):
            return torch.cat([F.relu(b(x)) for b in (self.b1, self.b2, self.b3, self.b4)], dim=1)

    net = nn.Sequential(
        Inception(4, (3, 4), 2, 2), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.LazyLinear(10)
    )
    fit(Pictures(net), Images(16))


def batch_normalization():
    net = nn.Sequential(
        nn.LazyConv2d(6, kernel_size=5), nn.LazyBatchNorm2d(), nn.Sigmoid(), nn.Flatten(),
        nn.LazyLinear(12), nn.LazyBatchNorm1d(), nn.Sigmoid(), nn.LazyLinear(10),
    )  # fmt: skip
    fit(Pictures(net), Images(16))


def resnet():
    net = nn.Sequential(
        nn.LazyConv2d(4, 3, padding=1), d2l.Residual(4),
        d2l.Residual(8, use_1x1conv=True, strides=2),
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.LazyLinear(10),
    )  # fmt: skip
    fit(Pictures(net), Images(16))


def densenet():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.ModuleList(
                nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConv2d(4, 3, padding=1))
                for _ in range(2)
            )

        def forward(self, X):
            for blk in self.net:
                X = torch.cat((X, blk(X)), dim=1)
            return X

    net = nn.Sequential(Dense(), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(10))
    fit(Pictures(net), Images(16))


class Text(d2l.DataModule):
    """A short text in place of The Time Machine."""

    def __init__(self, num_steps=8, batch_size=4):
        super().__init__()
        self.save_hyperparameters()
        tokens = list("the time traveller for so it will be convenient to speak of him " * 3)
        self.vocab = d2l.Vocab(tokens)
        corpus = [self.vocab[token] for token in tokens]
        rows = [corpus[i : i + num_steps + 1] for i in range(len(corpus) - num_steps)][:16]
        array = torch.tensor(rows)
        self.X, self.Y = array[:, :-1], array[:, 1:]

    def get_dataloader(self, train):
        return self.get_tensorloader([self.X, self.Y], train)


def language_model(make):
    data = Text()
    model = make(len(data.vocab))
    model.board.display = False
    trainer = d2l.Trainer(max_epochs=2, gradient_clip_val=1)
    trainer.fit(model, data)
    text = model.predict("it has", 5, data.vocab, d2l.try_gpu())
    assert len(text) == 11


def rnn_scratch():
    language_model(lambda size: d2l.RNNLMScratch(d2l.RNNScratch(size, 8), vocab_size=size, lr=1))


def rnn():
    language_model(lambda size: d2l.RNNLM(d2l.RNN(size, 8), vocab_size=size, lr=1))


def gru():
    language_model(lambda size: d2l.RNNLM(d2l.GRU(size, 8, num_layers=2), vocab_size=size, lr=1))


def lstm():
    class LSTM(d2l.RNN):
        def __init__(self, num_inputs, num_hiddens):
            d2l.Module.__init__(self)
            self.save_hyperparameters()
            self.rnn = nn.LSTM(num_inputs, num_hiddens)

        def forward(self, inputs, H_C=None):
            return self.rnn(inputs, H_C)

    language_model(lambda size: d2l.RNNLM(LSTM(size, 8), vocab_size=size, lr=1))


def sequence_to_sequence():
    encoder = d2l.Seq2SeqEncoder(10, 8, 8, 1)
    X, lengths = torch.zeros((4, 9), dtype=torch.long), torch.tensor([3, 9, 4, 2])
    outputs, state = encoder(X, lengths)
    assert outputs.shape == (9, 4, 8) and state.shape == (1, 4, 8)
    assert d2l.bleu("va !", "va !", k=2) == 1


def attention():
    queries = torch.normal(0, 1, (2, 1, 4))
    keys, values = torch.normal(0, 1, (2, 10, 4)), torch.normal(0, 1, (2, 10, 4))
    lengths = torch.tensor([2, 6])
    net = d2l.DotProductAttention(dropout=0.5)
    net.eval()
    assert net(queries, keys, values, lengths).shape == (2, 1, 4)
    assert net.attention_weights[0, 0, 2:].abs().sum() == 0
    additive = d2l.AdditiveAttention(num_hiddens=8, dropout=0.1)
    additive.eval()
    additive(torch.normal(0, 1, (2, 1, 20)), keys, values, lengths).sum().backward()
    heads = d2l.MultiHeadAttention(8, 4, 0.5)
    X = torch.ones((2, 4, 8))
    assert heads(X, X, X, torch.tensor([3, 2])).shape == (2, 4, 8)
    assert d2l.PositionalEncoding(8, 0)(torch.zeros((1, 6, 8))).shape == (1, 6, 8)


def transformer():
    block = d2l.TransformerEncoderBlock(24, 48, 8, 0.5)
    block.eval()
    X = torch.ones((2, 10, 24))
    d2l.check_shape(block(X, torch.tensor([3, 2])), X.shape)
    encoder = d2l.TransformerEncoder(20, 24, 48, 8, 2, 0.5)
    d2l.check_shape(encoder(torch.ones((2, 10), dtype=torch.long), torch.tensor([3, 2])), X.shape)


def optimization():
    def f(x1, x2):
        return 0.1 * x1**2 + 2 * x2**2

    def adagrad(x1, x2, s1, s2):
        g1, g2 = 0.2 * x1, 4 * x2
        s1, s2 = s1 + g1**2, s2 + g2**2
        return x1 - 0.4 / (s1 + 1e-6) ** 0.5 * g1, x2 - 0.4 / (s2 + 1e-6) ** 0.5 * g2, s1, s2

    path = d2l.train_2d(adagrad)
    assert f(*path[-1]) < f(*path[0])
    features, labels = torch.randn(20, 5), torch.randn(20)
    loader = d2l.load_array((features, labels), 10)
    for kind, options in (
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}), (torch.optim.RMSprop, {"lr": 0.01}),
        (torch.optim.Adagrad, {"lr": 0.1}), (torch.optim.Adadelta, {}), (torch.optim.Adam, {}),
    ):  # fmt: skip
        net = nn.Sequential(nn.Linear(5, 1))
        optimizer, loss = kind(net.parameters(), **options), nn.MSELoss(reduction="none")
        for X, y in loader:
            optimizer.zero_grad()
            loss(net(X), y.reshape(-1, 1)).mean().backward()
            optimizer.step()
        assert torch.isfinite(net[0].weight).all()


def objects():
    anchors = d2l.multibox_prior(torch.rand(1, 3, 4, 4), sizes=[0.75, 0.5], ratios=[1, 2])
    assert anchors.shape == (1, 48, 4)
    truth = torch.tensor([[0, 0.1, 0.08, 0.52, 0.92], [1, 0.55, 0.2, 0.9, 0.88]])
    labels = d2l.multibox_target(anchors, truth.unsqueeze(0))
    assert [each.shape for each in labels] == [(1, 192), (1, 192), (1, 48)]
    kept = d2l.nms(anchors[0], torch.rand(48), 0.5)
    assert 0 < len(kept) <= 48


for function in (
    preliminaries, linear_regression, weight_decay, softmax_regression, perceptrons, builders,
    convolutions, lenet, alexnet, vgg, nin, googlenet, batch_normalization, resnet, densenet,
    rnn_scratch, rnn, gru, lstm, sequence_to_sequence, attention, transformer, optimization,
    objects,
):  # fmt: skip
    random.seed(0)
    torch.manual_seed(0)
    case(function.__name__, function)
