"""What a step tells the world: prints, loggers, meters, progress, histories, files."""

import collections
import io
import logging
import sys
import time

from tests.stories.storykit import batch, everything, linear, numbers, story


def trained(t):
    """A layer and its optimizer."""
    net = linear(t)
    return net, t.optim.SGD(net.parameters(), lr=0.1)


@story
def printed_loss(t, compiled):
    @compiled
    def step(x):
        loss = x.square().sum()
        print(loss)
        print(f"loss {loss:.2f}", loss.item(), sep=": ")
        return loss

    for k in range(3):
        yield step(t.ones(2) * k)


@story
def printed_tensor_with_a_gradient(t, compiled):
    w = t.ones(2, requires_grad=True)

    @compiled
    def step(x):
        print(w, w * x)
        (w * x).sum().backward()
        print(w.grad, repr(x), str(x.shape))

    for k in range(3):
        yield step(t.ones(2) * k)


@story
def printed_every_second_step(t, compiled):
    state = {"step": 0}

    @compiled
    def step(x):
        if state["step"] % 2 == 0:
            print("step", state["step"], "sum", x.sum().item())
        state["step"] += 1
        return x * 2

    for k in range(4):
        yield step(t.ones(2) * k)


@story
def plain_text_printed(t, compiled):
    @compiled
    def step(x):
        print("called with", tuple(x.shape), x.dtype)
        return x

    for size in (2, 3, 2, 2):
        yield step(t.ones(size))


@story
def written_to_a_stream(t, compiled):
    stream = io.StringIO()

    @compiled
    def step(x):
        stream.write(f"{len(x)};")
        sys.stdout.write(".")
        return x * 2

    for size in (2, 2, 3):
        yield step(t.ones(size)), stream.getvalue()


@story
def logger(t, compiled):
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    log = logging.Logger("training")
    log.addHandler(Handler())

    @compiled
    def step(x, number):
        loss = x.sum()
        log.info("step %d", number)
        log.debug("loss %.3f", loss.item())
        return loss

    for number in range(4):
        log.setLevel(logging.DEBUG if number > 1 else logging.INFO)
        yield step(t.ones(2) * number, number), records


@story
def average_meter(t, compiled):
    class AverageMeter:
        def __init__(self):
            self.value = self.total = self.count = 0

        def update(self, value, n=1):
            self.value = value
            self.total += value * n
            self.count += n

        @property
        def average(self):
            return self.total / self.count

    meter = AverageMeter()
    net, optimizer = trained(t)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        meter.update(loss.item(), len(x))
        return loss

    for k in range(4):
        yield step(*batch(t, k)), meter.average, meter.count, everything(net)


@story
def meter_of_tensors(t, compiled):
    class Meter:
        def __init__(self):
            self.total, self.count = t.zeros(()), 0

        def update(self, value, n):
            self.total += value.detach() * n
            self.count += n

    meter = Meter()
    net = linear(t)

    @compiled
    def step(x):
        loss = net(x).square().mean()
        meter.update(loss, len(x))
        return loss

    for size in (4, 4, 2, 4):
        yield step(numbers(t, size, 3)), meter.total, meter.count, meter.total / meter.count


@story
def list_of_detached_losses(t, compiled):
    net, optimizer = trained(t)
    losses = []

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())

    for k in range(4):
        step(*batch(t, k))
        yield losses, sum(losses) / len(losses)


@story
def sum_of_losses_that_keep_their_graphs(t, compiled):
    net = linear(t)
    state = {"total": 0}

    @compiled
    def step(x):
        state["total"] = state["total"] + net(x).square().mean()

    for k in range(3):
        step(batch(t, k)[0])
        yield state["total"]
    state["total"].backward()
    yield everything(net)


@story
def history_of_floats(t, compiled):
    net, optimizer = trained(t)
    history = collections.defaultdict(list)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        out = net(x)
        loss = t.nn.functional.mse_loss(out, y)
        loss.backward()
        optimizer.step()
        history["loss"].append(float(loss))
        history["right"].append((out.argmax(1) == y.argmax(1)).sum().item())
        return history["loss"][-1]

    for k in range(4):
        yield step(*batch(t, k)), history


@story
def confusion_matrix(t, compiled):
    matrix = t.zeros(2, 2, dtype=t.long)
    net = linear(t)

    @compiled
    def evaluate(x, y):
        with t.no_grad():
            found = net(x).argmax(1)
        for i, j in zip(y.tolist(), found.tolist(), strict=True):
            matrix[i, j] += 1
        return (found == y).float().mean()

    for k in range(3):
        yield evaluate(batch(t, k)[0], t.tensor([0, 1, 1, k % 2])), matrix


@story
def seconds_are_measured(t, compiled):
    starts = []

    @compiled
    def step(x):
        starts.append(time.perf_counter())
        return x * 2

    for k in range(3):
        yield step(t.ones(2) * k), len(set(starts)), starts == sorted(starts)


@story
def progress_bar(t, compiled):
    class Bar:
        def __init__(self):
            self.done, self.text = 0, ""

        def update(self, n):
            self.done += n

        def set_postfix(self, **values):
            self.text = ", ".join(f"{name}={value:.2f}" for name, value in values.items())

    bar = Bar()

    @compiled
    def step(x):
        loss = x.sum()
        bar.update(len(x))
        bar.set_postfix(loss=loss, size=len(x))
        return loss

    for k in range(3):
        yield step(t.ones(2) * k), bar.done, bar.text


@story
def gradient_norms_logged(t, compiled):
    net, norms = linear(t), {}

    @compiled
    def step(x):
        net.zero_grad()
        net(x).square().sum().backward()
        for name, p in net.named_parameters():
            norms[name] = p.grad.norm().item()

    for k in range(3):
        step(batch(t, k)[0])
        yield norms


@story
def best_weights_kept(t, compiled):
    net, optimizer = trained(t)
    best = {"loss": float("inf"), "state": None}

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        if loss.item() < best["loss"]:
            best["loss"] = loss.item()
            best["state"] = {name: v.clone() for name, v in net.state_dict().items()}
        loss.backward()
        optimizer.step()
        return loss

    for seed in (0, 1, 0, 2):
        yield step(*batch(t, seed)), best


@story
def debugging_by_assertions(t, compiled):
    net = linear(t)

    @compiled
    def run(x):
        y = net(x)
        assert y.shape == (len(x), 2)
        assert y.requires_grad and y.grad_fn is not None
        assert isinstance(y, t.Tensor) and t.is_tensor(y)
        return repr(y.shape), y.dtype, type(y.grad_fn).__name__ != ""

    for size in (4, 2, 4):
        yield run(numbers(t, size, 3))
