"""Steps of which only the beginning can be proven, and what stands around the line it ends at."""

import collections
import sys

from tests.stories.storykit import attempt, batch, everything, linear, mlp, numbers, story


def parts(t):
    net = mlp(t)
    return net, t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)


@story
def losses_appended(t, compiled):
    (net, opt), losses = parts(t), []

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        losses.append(loss.item())
        return loss

    for number in range(8):
        yield step(*batch(t, seed=number)), list(losses), everything(net, opt)


@story
def trainer_with_counters(t, compiled):
    net, opt = parts(t)

    class Trainer:
        def __init__(self):
            self.net, self.opt, self.steps, self.best = net, opt, 0, None

        def loss(self, x, y):
            return t.nn.functional.mse_loss(self.net(x), y)

        @compiled
        def step(self, x, y):
            self.opt.zero_grad()
            loss = self.loss(x, y)
            loss.backward()
            self.opt.step()
            self.steps += 1
            value = loss.item()
            if self.best is None or value < self.best:
                self.best = value
            return {"loss": loss, "best": self.best}

    trainer = Trainer()
    for number in range(9):
        if number == 5:
            trainer.net = linear(t)
        if number == 7:
            trainer.loss = lambda x, y: (trainer.net(x) - y).abs().mean()
        yield trainer.step(*batch(t)), trainer.steps, everything(net, opt)


@story
def two_trainers_share_a_method(t, compiled):
    class Trainer:
        def __init__(self, rate):
            self.net, self.seen = mlp(t), []
            self.opt = t.optim.SGD(self.net.parameters(), lr=rate)

        @compiled
        def step(self, x, y):
            self.opt.zero_grad()
            loss = t.nn.functional.mse_loss(self.net(x), y)
            loss.backward()
            self.opt.step()
            self.seen.append(len(self.seen))
            return loss

    trainers = [Trainer(0.1), Trainer(0.01)]
    for number in range(10):
        one = trainers[number % 2 if number > 3 else 0]
        yield one.step(*batch(t)), list(one.seen), everything(one.net, one.opt)


@story
def model_and_optimizer_are_arguments(t, compiled):
    @compiled
    def step(net, opt, x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    pairs = [parts(t), parts(t)]
    for number in range(10):
        net, opt = pairs[number // 4 % 2]
        if number == 6:
            opt.param_groups[0]["lr"] = 0.5
        yield step(net, opt, *batch(t)), everything(net, opt)


@story
def batch_is_an_object(t, compiled):
    class Batch:
        def __init__(self, x, y):
            self.x, self.y = x, y

    net, opt = parts(t)

    @compiled
    def step(data):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(data.x), data.y)
        loss.backward()
        opt.step()
        return loss

    kept = Batch(*batch(t))
    for number in range(9):
        if number == 4:
            kept.x = numbers(t, 4, 3, seed=9)
        if number == 6:
            kept.x.mul_(2)
        yield step(kept if number < 8 else Batch(*batch(t))), everything(net, opt)


@story
def variables_on_some_ways_only(t, compiled):
    (net, opt), seen, options = parts(t), [], {"extra": False}

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        if options["extra"]:
            extra = net(x).abs().mean()
            loss = loss + extra
        loss.backward()
        opt.step()
        seen.append(loss.item())
        return extra if options["extra"] else loss

    for number in range(9):
        options["extra"] = number in (3, 4, 7)
        yield step(*batch(t)), everything(net, opt), list(seen)


@story
def returned_in_the_beginning(t, compiled):
    (net, opt), seen, options = parts(t), [], {"skip": False}

    @compiled
    def step(x, y):
        opt.zero_grad()
        if options["skip"]:
            return None
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        seen.append(len(seen))
        return loss

    for number in range(9):
        options["skip"] = number in (4, 6)
        yield step(*batch(t)), everything(net, opt), list(seen)


@story
def argument_gets_another_value(t, compiled):
    (net, opt), seen = parts(t), []

    @compiled
    def step(x, y, scale=2.0):
        opt.zero_grad()
        x = x * scale
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        seen.append(x.shape[0])
        return x, y, scale

    for number in range(9):
        x, y = batch(t, size=4 + number // 6)
        yield step(x, y) if number % 3 else step(x, y, scale=0.5), list(seen)


@story
def outputs_are_used_after_the_step(t, compiled):
    (net, opt), history = parts(t), collections.deque(maxlen=3)

    @compiled
    def step(x, y):
        opt.zero_grad()
        out = net(x)
        loss = t.nn.functional.mse_loss(out, y)
        loss.backward()
        opt.step()
        history.append((out.argmax(1) == y.argmax(1)).float().mean().item())
        return out, out.grad_fn is not None, attempt(loss.backward) is not None

    for number in range(8):
        yield step(*batch(t, seed=number % 3)), list(history)


@story
def graph_goes_on_after_the_line(t, compiled):
    (net, opt), seen = parts(t), []

    @compiled
    def step(x, y):
        opt.zero_grad()
        out = net(x)
        loss = t.nn.functional.mse_loss(out, y)
        seen.append(len(seen))
        (loss + out.abs().mean()).backward()
        opt.step()
        return loss

    for _ in range(8):
        yield step(*batch(t)), everything(net, opt), list(seen)


@story
def error_after_the_line(t, compiled):
    (net, opt), seen = parts(t), []

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        seen.append(loss.item())
        if len(seen) % 4 == 3:
            raise ValueError("every fourth")
        return loss

    for _ in range(9):
        yield attempt(step, *batch(t)), everything(net, opt), list(seen)


@story
def closure_and_default_change(t, compiled):
    (net, opt), seen = parts(t), []
    scale = 1.0

    def change(value):
        nonlocal scale
        scale = value

    def plain(x, y, power=2):
        opt.zero_grad()
        loss = ((net(x) - y) ** power * scale).mean()
        loss.backward()
        opt.step()
        seen.append(power)
        return loss * scale

    step = compiled(plain)
    for number in range(11):
        if number in (4, 7):
            change(0.5 * number)
        if number == 6:
            plain.__defaults__ = (4,)
        if number == 9:
            plain.__code__ = (lambda x, y, power=2: (net, opt, seen, scale) and x * power).__code__
        yield attempt(step, *batch(t)), list(seen)


@story
def same_tensor_for_both(t, compiled):
    net, seen = t.nn.Tanh(), []

    @compiled
    def step(x, y):
        z = net(x) + y
        seen.append(len(seen))
        return z, x, y

    one, other = numbers(t, 3, seed=1), numbers(t, 3, seed=2)
    for number in range(9):
        given = (one, one) if number in (2, 3, 6) else (one, other)
        z, x, y = step(*given)
        yield z, x is given[0], y is given[1]


@story
def hands_an_argument_back(t, compiled):
    @compiled
    def step(x, y):
        return y, x * 2, x

    one, other = numbers(t, 3, seed=1), numbers(t, 3, seed=2)
    for number in range(9):
        given = (one, one) if number in (2, 3, 6) else (other, one)
        y, double, x = step(*given)
        yield double, x is given[0], y is given[1]


@story
def autocast_by_a_device(t, compiled):
    (net, opt), device = parts(t), t.device("cpu")
    options = {"dtype": t.bfloat16, "enabled": True}

    @compiled
    def step(x, y):
        opt.zero_grad()
        with t.autocast(device_type=device.type, **options):
            out = net(x)
        loss = t.nn.functional.mse_loss(out.float(), y)
        loss.backward()
        opt.step()
        return out.dtype, x.dim() == 2 < x.shape[0]

    for number in range(10):
        if number == 4:
            options["enabled"] = False
        if number == 7:
            options = {"dtype": t.float16, "enabled": True}
        yield step(*batch(t)), [p.grad is None for p in net.parameters()]


@story
def kinds_are_asked_for(t, compiled):
    nn, net = t.nn, mlp(t)
    seen: dict = {}

    class Odd(nn.Tanh):
        @property
        def __class__(self):
            seen["asked"] = seen.get("asked", 0) + 1
            return nn.ReLU

    layers = [net[0], net[1], net[2]]

    @compiled
    def step(x):
        for layer in layers:
            x = layer(x)
            if isinstance(layer, (nn.Linear, nn.ReLU)) and isinstance(x, t.Tensor):
                x = x * 2
        return x

    for number in range(10):
        if number == 4:
            layers[1] = nn.ReLU()
        if number == 6:
            layers[1] = Odd()
        if number == 8:
            layers[1].__class__  # noqa: B018
            layers.pop()
        yield step(numbers(t, 4, 3)), "asked" in seen


@story
def gradients_on_and_off(t, compiled):
    net, options = mlp(t), {"on": True}

    @compiled
    def step(x):
        with t.set_grad_enabled(options["on"]):
            out = net(x)
        with t.no_grad():
            total = out.sum()
        return total

    for number in range(10):
        options["on"] = number not in (4, 5, 8)
        yield step(numbers(t, 4, 3))


@story
def helper_asks_for_the_line_of_its_caller(t, compiled):
    w, seen = t.ones(3), []

    def note():
        caller = sys._getframe(1)
        seen.append((caller.f_code.co_name, caller.f_lineno - caller.f_code.co_firstlineno))

    @compiled
    def at_the_end(x):
        y = x * 2
        z = y + w
        total = (z * z).sum()
        total = total * 3 + z.mean()
        note()
        return total

    @compiled
    def at_the_beginning(x):
        note()
        y = x * 2
        z = y + w
        total = (z * z).sum()
        return total * 3 + z.mean()

    for k in range(8):
        yield at_the_end(numbers(t, 3, seed=k)), at_the_beginning(numbers(t, 3, seed=k)), seen
        seen.clear()
