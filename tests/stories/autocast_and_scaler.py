"""Mixed precision: autocast around and inside of the step, the gradient scaler, default dtypes."""

from tests.stories.storykit import batch, everything, linear, mlp, story

# bfloat16 rounds in another order in each library.
HALF = (2e-2, 2e-2)


@story(tolerance=HALF)
def autocast_inside(t, compiled):
    net = mlp(t)

    @compiled
    def step(x, y):
        net.zero_grad()
        with t.autocast("cpu", dtype=t.bfloat16):
            out = net(x)
            loss = t.nn.functional.mse_loss(out.float(), y)
        loss.backward()
        return loss, out.dtype

    for k in range(3):
        yield step(*batch(t, k)), everything(net)


@story(tolerance=HALF)
def autocast_around(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x))
    x, _ = batch(t)
    for on in (False, True, False, True):
        with t.autocast("cpu", dtype=t.bfloat16, enabled=on):
            yield run(x)


@story(tolerance=HALF)
def autocast_switched_by_an_argument(t, compiled):
    net = linear(t)

    @compiled
    def run(x, on):
        with t.autocast("cpu", dtype=t.bfloat16, enabled=on):
            y = net(x)
            with t.autocast("cpu", enabled=False):
                z = net(x)
        return y, z

    for on in (True, False, True):
        yield run(batch(t)[0], on)


@story
def gradient_scaler(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    scaler = t.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    for k in range(4):
        x, y = batch(t, k)
        # An infinite gradient: the step is skipped, the scale halved.
        yield step(x * (float("inf") if k == 1 else 1), y), everything(net), scaler.get_scale()


@story
def gradient_scaler_with_clipping(t, compiled):
    net = mlp(t)
    optimizer = t.optim.AdamW(net.parameters(), lr=0.01)
    scaler = t.amp.GradScaler("cpu", init_scale=8.0)

    @compiled
    def step(x, y, most):
        optimizer.zero_grad()
        scaler.scale(t.nn.functional.mse_loss(net(x), y)).backward()
        scaler.unscale_(optimizer)
        norm = t.nn.utils.clip_grad_norm_(net.parameters(), most)
        scaler.step(optimizer)
        scaler.update()
        return norm

    for most in (1.0, 0.1, 5.0):
        yield step(*batch(t), most), everything(net), scaler.get_scale()


@story
def loss_scale_of_ones_own(t, compiled):
    net, state = linear(t), {"scale": 4.0, "good": 0}

    @compiled
    def step(x):
        net.zero_grad()
        (net(x).sum() * state["scale"]).backward()
        finite = all(t.isfinite(p.grad).all() for p in net.parameters())
        if not finite:
            state["scale"] /= 2
            return False
        with t.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad / state["scale"]
        state["good"] += 1
        return True

    for k in (1.0, float("inf"), 1.0, 2.0):
        yield step(batch(t)[0] * k), state, net.state_dict()


@story
def default_dtype(t, compiled):
    run = compiled(lambda x: (x + t.ones(2), t.tensor(1.5), t.arange(2) / 2))
    for dtype in (t.float32, t.float64, t.float32):
        t.set_default_dtype(dtype)
        yield run(t.ones(2))


@story
def half_precision_weights(t, compiled):
    net = linear(t)
    master = [p.detach().clone() for p in net.parameters()]
    net.half()

    @compiled
    def step(x):
        net.zero_grad()
        net(x.half()).float().sum().backward()
        with t.no_grad():
            for p, copy in zip(net.parameters(), master, strict=True):
                copy.sub_(0.125 * p.grad.float())
                p.copy_(copy)

    for _ in range(3):
        step(t.ones(4, 3))
        yield everything(net), master
