"""Coroutines, graphs, generators of random numbers and modes in and around steps."""

import asyncio
import contextlib
import gc
import weakref

from tests.stories.storykit import (
    as_it_is,
    attempt_type,
    batch,
    everything,
    linear,
    mlp_with_momentum,
    story,
    train_step,
)


@story
def match_walrus_and_try_finally(t, compiled):
    log = []

    @compiled
    def f(x, c):
        try:
            match c:
                case {"k": k}:
                    y = x * k
                case [a, b]:
                    y = x * a + b
                case None:
                    raise KeyError("none")
                case _:
                    y = x
            if (s := y.sum()) > 10:
                return s
            return y
        except KeyError:
            log.append("e")
            return x * 0
        finally:
            log.append(1)

    for c in ({"k": 2.0}, {"k": 2.0}, [1.0, 2.0], None, 3, {"k": 20.0}, {"k": 2.0}):
        yield f(t.ones(2), c), list(log)


@story
def while_loops_and_recursion(t, compiled):
    k = {"n": 3}

    def fact(x, n):
        return x if n == 0 else fact(x * 2, n - 1)

    @compiled
    def f(x):
        i = 0
        while i < k["n"]:
            x = x + i
            i += 1
        return fact(x, k["n"])

    for n in range(7):
        if n == 3:
            k["n"] = 4
        if n == 5:
            k["n"] = 0
        yield f(t.ones(2))


@story
def weak_references_and_garbage(t, compiled):
    net, opt = mlp_with_momentum(t)
    step = train_step(t, compiled, net, opt)
    refs = []
    for n in range(6):
        loss = step(*batch(t))
        refs.append(weakref.ref(loss))
        del loss
        gc.collect()
        if n == 3:
            wn = weakref.ref(net[1])
            net[1] = t.nn.ReLU()
        if n == 5:
            gc.collect()
            yield wn() is None
        yield [r() is None for r in refs], everything(net, opt)


@story
def coroutine_steps(t, compiled):
    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    async def go(n):
        await asyncio.sleep(0)
        return step(*batch(t, n))

    async def all_():
        return [await go(0), *await asyncio.gather(go(1), go(2))]

    for n in range(4):
        if n == 2:
            opt.param_groups[0]["lr"] = 0.0
        yield asyncio.run(all_()), everything(net, opt)


@story
def compiled_coroutine_and_generator(t, compiled):
    @compiled
    async def co(x):
        await asyncio.sleep(0)
        return x * 2

    @compiled
    def gen(x):
        for i in range(3):
            x = x + i
            r = yield x
            if r:
                x = x * r

    for n in range(4):
        g = gen(t.ones(2))
        a = next(g)
        b = g.send(2.0 if n > 1 else None)
        yield asyncio.run(co(t.ones(2))), a, b, list(g)


@story
def gradients_kept_across_calls_with_aliases(t, compiled):
    net, opt = mlp_with_momentum(t)
    kept = []

    @compiled
    def step(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss.detach()

    for n in range(8):
        if n == 2:
            kept.append(net[0].weight.grad)
        if n == 3:
            kept.append(net[0].weight.grad.view(-1)[:2])
        if n == 4:
            net[2].bias.grad = kept[0][0, :2]
        if n == 5:
            net[0].weight.grad = None
        if n == 6:
            net.zero_grad(set_to_none=False)
        yield step(*batch(t)), everything(net), kept, [k is net[0].weight.grad for k in kept]


@story
def grad_of_arguments_and_leaf_arguments(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        loss = net(x).square().sum()
        loss.backward()
        return loss.detach()

    for n in range(7):
        x = batch(t, n)[0]
        if n in (2, 3, 6):
            x.requires_grad_()
        if n == 4:
            x = x.requires_grad_() * 2
        yield f(x), x.grad if x.is_leaf else None, net.weight.grad


@story
def retain_graph_and_second_backward_outside(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        loss = net(x).square().sum()
        return loss

    for n in range(6):
        loss = f(batch(t)[0])
        if n == 2:
            loss.backward(retain_graph=True)
        if n == 4:
            net.weight.data.add_(1)
        loss.backward()
        e = attempt_type(loss.backward)
        yield loss, net.weight.grad, e


@story
def two_losses_added_and_detached_branches(t, compiled):
    net, opt = mlp_with_momentum(t)
    cfg = {"detach": False, "twice": False}

    @compiled
    def step(x, y):
        opt.zero_grad()
        h = net[0](x)
        o = net[2](h.detach() if cfg["detach"] else h)
        loss = t.nn.functional.mse_loss(o, y) + h.abs().mean() * 0.1
        loss.backward(retain_graph=cfg["twice"])
        if cfg["twice"]:
            loss.backward()
        opt.step()
        return loss.detach()

    for n in range(8):
        if n == 3:
            cfg["detach"] = True
        if n == 5:
            cfg["twice"] = True
        if n == 6:
            cfg["detach"] = False
        yield step(*batch(t)), everything(net, opt)


@story
def frozen_backbone_with_no_grad_by_flag(t, compiled):
    net, opt = mlp_with_momentum(t)
    cfg = {"frozen": True}

    @compiled
    def step(x, y):
        opt.zero_grad()
        with t.set_grad_enabled(not cfg["frozen"]):
            h = net[1](net[0](x))
        loss = t.nn.functional.mse_loss(net[2](h), y)
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(8):
        if n in (3, 6):
            cfg["frozen"] = not cfg["frozen"]
        yield step(*batch(t)), everything(net, opt)


@story(draws=True)
def generators_of_random_numbers(t, compiled):
    g = t.Generator()
    g.manual_seed(3)

    @compiled
    def f(x):
        return x + t.randn(2, generator=g), t.rand(2)

    for n in range(6):
        if n == 3:
            g.manual_seed(3)
        if n == 4:
            s = g.get_state()
        if n == 5:
            g.set_state(s)
            t.manual_seed(1)
        yield f(t.ones(2)), g.initial_seed() > 0


@story(draws=True)
def fork_rng_inside_and_state_restored(t, compiled):
    @compiled
    def f(x):
        s = t.get_rng_state()
        a = t.rand(2)
        t.set_rng_state(s)
        b = t.rand(2)
        return a, b, t.randperm(4)

    for n in range(6):
        if n == 3:
            t.manual_seed(0)
        with t.random.fork_rng() if n == 4 else contextlib.nullcontext():
            r = f(t.ones(2))
        yield (r[0] == r[1]).all(), r


@story
def deterministic_flags_and_threads(t, compiled):
    net = linear(t)
    i = t.tensor([0, 0, 1])

    @compiled
    def f(x):
        return net(x).detach().index_add(
            0, i, t.ones(3, 2)
        ), t.are_deterministic_algorithms_enabled()

    try:
        for n in range(6):
            t.use_deterministic_algorithms(n in (2, 3, 5))
            yield f(batch(t)[0])
    finally:
        t.use_deterministic_algorithms(False)


@story
def fullgraph_and_branch(t, compiled):
    c = compiled(fullgraph=True) if compiled is not as_it_is else (lambda f: f)
    net, opt = mlp_with_momentum(t)

    @c
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    for n in range(5):
        yield step(*batch(t, size=4 - n % 2)), everything(net, opt)


@story
def dynamic_batches(t, compiled):
    c = compiled(dynamic_batch=True) if compiled is not as_it_is else (lambda f: f)
    net = linear(t)
    k = {"s": 1.0}

    @c
    def f(x):
        return (net(x) * k["s"]).detach()

    for n, size in enumerate((1, 3, 4, 5, 0, 3, 9, 3)):
        if n == 4:
            k["s"] = 2.0
        if n == 6:
            net.weight.data.neg_()
        yield f(batch(t, size=size)[0])


@story(tolerance=(1e-3, 1e-4))
def control_flow_of_ones_own_with_state(t, compiled):
    net, opt = mlp_with_momentum(t)
    best = {"loss": float("inf"), "state": None}

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        if loss < best["loss"]:
            best.update(loss=loss.item(), state={k: v.clone() for k, v in net.state_dict().items()})
        return loss.detach()

    for n in range(7):
        if n == 3:
            best["loss"] = 0.0
        if n == 5:
            opt.param_groups[0]["lr"] = 5.0
            best["loss"] = 100.0
        yield step(*batch(t, n % 2)), best["state"], best["loss"]
    net.load_state_dict(best["state"])
    yield everything(net)
