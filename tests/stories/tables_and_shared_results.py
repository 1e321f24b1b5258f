"""Tensors kept in dicts and as keys, results under several names, own optimizers."""

import collections
import copy

from tests.stories.storykit import (
    attempt_type,
    batch,
    everything,
    mlp,
    mlp_with_momentum,
    mse,
    numbers,
    story,
    train_step,
)


@story
def results_under_several_names(t, compiled):
    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        opt.zero_grad()
        out = net(x)
        loss = mse(t, out, y)
        loss.backward()
        opt.step()
        return {"loss": loss, "log": {"same": loss, "plain": loss.detach()}, "out": [out, out]}

    kept = []
    for i in range(8):
        if i == 5:
            opt.param_groups[0]["lr"] = 0.3
        r = step(*batch(t, i))
        kept.append(r["log"]["plain"])
        with t.no_grad():
            r["log"]["plain"].add_(1)
            if i % 2:
                r["out"][0].zero_()
        yield r, r["loss"] is r["log"]["same"], r["out"][0] is r["out"][1], kept


@story
def kept_in_three_places_and_returned(t, compiled):
    class Cell:
        def __init__(self):
            self.a, self.b, self.m = t.zeros(2), t.zeros(2), {"x": t.zeros(2)}

        def step(self, x):
            h = x + self.a
            self.a = h.detach()
            self.b = self.m["x"] = h
            return h, self.a

    cell = Cell()
    run = compiled(cell.step)
    for i in range(12):
        if i == 4:
            cell.a.add_(1)
        if i == 5:
            cell.m = dict(cell.m)
        if i == 6:
            del cell.m["x"]
        if i == 7:
            cell.m["x"] = cell.a
        if i == 9:
            cell.b = cell.a
        h, a = run(numbers(t, 2, seed=i))
        yield h, a, cell.a, cell.b, cell.m, h is cell.b, a is cell.a, h is cell.m["x"]
        h.mul_(2)
        yield a, cell.a, cell.b, cell.m


@story
def averages_by_name(t, compiled):
    net, opt = mlp_with_momentum(t)
    averages = {name: p.detach().clone() for name, p in net.named_parameters()}
    decay, old = {"d": 0.9}, []

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y)
        loss.backward()
        opt.step()
        with t.no_grad():
            for name, p in net.named_parameters():
                averages[name] = decay["d"] * averages[name] + (1 - decay["d"]) * p
        return loss

    for i in range(14):
        if i == 3:
            old.append(averages["0.weight"])
        if i == 5:
            averages["0.weight"].zero_()
        if i == 6:
            averages["0.bias"] = net[0].bias.detach()
        if i == 7:
            averages["2.bias"] = averages["2.bias"].double()
        if i == 8:
            averages["2.bias"] = averages["2.bias"].float()
        if i == 10:
            decay["d"] = 0.5
        if i == 11:
            averages.pop("0.weight")
            averages["0.weight"] = t.ones(4, 3)
        if i == 12:
            net[0].weight.data = averages["0.weight"]
        yield step(*batch(t, i)), averages, old, everything(net)


@story
def an_entry_that_is_asked_for_and_set(t, compiled):
    found = {"mean": t.zeros(2)}

    @compiled
    def step(x):
        if "mean" in found:
            found["mean"] = 0.9 * found["mean"] + x
        else:
            found["mean"] = x * 1
        return found.get("mean") * 2

    for i in range(10):
        if i == 4:
            del found["mean"]
        if i == 7:
            found.clear()
            found["other"] = 1
        if i == 8:
            found["mean"].add_(1)
        yield step(numbers(t, 2, seed=i)), dict(found)


@story
def an_own_optimizer_and_all_that_changes_it(t, compiled):
    class Own(t.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1, "decay": 0.0})

        @t.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["m"] = t.zeros_like(p)
                    state["m"].mul_(0.9).add_(p.grad)
                    if group["decay"] != 0:
                        p.mul_(1 - group["lr"] * group["decay"])
                    p.add_(state["m"], alpha=-group["lr"])

    net, calls = mlp(t), []
    opt = Own(net.parameters())
    step = train_step(t, compiled, net, opt)

    def wrapped(function):
        def around(*args):
            calls.append(len(args))
            return function(*args)

        return around

    for i in range(22):
        if i == 4:
            opt.param_groups[0]["lr"] = 0.05
        if i == 5:
            opt.state[net[0].weight]["m"].zero_()
        if i == 6:
            opt.state[net[0].weight] = {"m": t.ones(4, 3)}
        if i == 8:
            opt.state.clear()
        if i == 10:
            opt.load_state_dict(copy.deepcopy(opt.state_dict()))
        if i == 12:
            opt.param_groups[0]["decay"] = 0.1
        if i == 14:
            handle = opt.register_step_post_hook(lambda o, args, kwargs: calls.append("hook"))
        if i == 15:
            handle.remove()
            net[0].requires_grad_(False)
        if i == 17:
            net[0].requires_grad_(True)
            opt.step = wrapped(opt.step)
        if i == 18:
            del opt.step
            Own.step = wrapped(Own.step)
        if i == 20:
            opt.param_groups[0]["params"].reverse()
        yield step(*batch(t, i)), everything(net, opt), calls


@story
def tables_of_parameters(t, compiled):
    net = mlp(t)
    momenta = {p: t.zeros_like(p) for p in net.parameters()}
    rates = {p: 0.1 for p in net.parameters()}
    state = collections.defaultdict(dict)
    for p in net.parameters():
        state[p]["seen"] = t.zeros(())

    @compiled
    def step(x, y):
        net.zero_grad()
        loss = mse(t, net(x), y)
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                state[p]["seen"].add_(p.grad.abs().max())
                if p in momenta:
                    momenta[p] = 0.9 * momenta[p] + p.grad
                    p -= rates.get(p, 0.01) * momenta[p]
        return loss

    for i in range(14):
        if i == 4:
            momenta[net[0].weight] = t.ones(4, 3)
        if i == 5:
            rates.pop(net[0].bias)
        if i == 7:
            momenta.pop(net[2].bias)
        if i == 9:
            net[2].weight = t.nn.Parameter(net[2].weight.detach() * 0.5)
            state[net[2].weight]["seen"] = t.ones(())
        if i == 10:
            momenta[net[2].weight], rates[net[2].weight] = t.zeros(2, 4), 0.5
        if i == 12:
            momenta[net[0].weight] = momenta[net[0].weight][:, [2, 1, 0]]
        seen = [each["seen"] for each in state.values()]
        yield step(*batch(t, i)), everything(net), list(momenta.values()), seen


@story(tolerance=(1e-3, 1e-5))
def values_between_which_something_is_computed(t, compiled):
    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        opt.zero_grad()
        out = net(x)
        loss = mse(t, out, y)
        loss.backward()
        squares = sum(p.grad.pow(2).sum() for p in net.parameters() if p.grad is not None)
        opt.step()
        value = loss.item()
        right = (out.argmax(1) == y.argmax(1)).sum().item()
        return value, right / len(x), (out - y).abs().max().item(), squares

    for i in range(16):
        if i == 5:
            opt.param_groups[0]["lr"] = 0.5
        if i == 7:
            net[1] = t.nn.ReLU()
        if i == 8:
            net[0].requires_grad_(False)
        if i == 11:
            net.requires_grad_(False)
            net[2].requires_grad_(True)
        yield attempt_type(step, *batch(t, i, size=4 + (i == 13))), everything(net, opt)


def cubed(found, wanted, factor=1.0):
    """A loss that is given to a step."""
    return ((found - wanted).abs() ** 3).mean() * factor


def absolute(found, wanted):
    """Another one."""
    return (found - wanted).abs().mean()


@story(tolerance=(1e-3, 1e-5))
def losses_as_arguments(t, compiled):
    net, opt = mlp_with_momentum(t)
    names = globals()
    before = cubed, cubed.__defaults__

    @compiled
    def step(model, loss_of, x, y):
        opt.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        opt.step()
        return loss

    try:
        for i in range(16):
            loss_of = absolute if i in (4, 5) else cubed
            if i == 7:
                cubed.__defaults__ = (0.5,)
            if i == 9:
                names["cubed"] = absolute
            if i in (11, 12):
                loss_of = before[0]
            if i > 12:
                loss_of = t.nn.functional.mse_loss
            yield step(net, loss_of, *batch(t, i)), everything(net, opt)
    finally:
        names["cubed"], before[0].__defaults__ = before
