"""Threads: each with a step of its own, or all with the same one."""

import contextvars
import queue
import threading

from tests.stories.storykit import batch, everything, in_threads, linear, story


@story(recompiles=True)
def each_its_own_step(t, compiled):
    def trained(rate):
        net = linear(t)
        optimizer = t.optim.SGD(net.parameters(), lr=rate)

        @compiled
        def step(x, y):
            optimizer.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return net, step

    (first, one), (second, two) = trained(0.1), trained(0.2)
    for k in range(3):
        losses = in_threads(
            lambda k=k: [one(*batch(t, k)) for _ in range(3)],
            lambda k=k: [two(*batch(t, k)) for _ in range(3)],
        )
        yield losses, everything(first), everything(second)


@story
def all_the_same_function(t, compiled):
    run = compiled(lambda x, k: (x * k).sin().sum())
    for k in range(3):
        yield in_threads(*[lambda n=n, k=k: run(t.ones(2), float(n + k)) for n in range(3)])


@story
def call_in_another_thread(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x))
    for k in range(3):
        yield run(batch(t, k)[0]), *in_threads(lambda k=k: run(batch(t, k)[0]))
        net.weight.data.mul_(2)


@story
def mode_belongs_to_the_thread(t, compiled):
    w = t.ones(2, requires_grad=True)
    run = compiled(lambda x: (w * x).requires_grad)
    for _ in range(3):
        with t.no_grad():
            yield run(t.ones(2)), *in_threads(lambda: run(t.ones(2)))


@story
def batches_from_a_thread(t, compiled):
    channel = queue.Queue()
    run = compiled(lambda: channel.get() * 2)

    def produce():
        for k in range(3):
            channel.put(t.ones(2) * k)

    in_threads(produce)
    for _ in range(3):
        yield run()


@story
def lock_and_thread_local_state(t, compiled):
    lock, local, counts = threading.Lock(), threading.local(), {"n": 0}

    @compiled
    def run(x):
        with lock:
            counts["n"] += 1
        local.calls = getattr(local, "calls", 0) + 1
        return x * local.calls

    for _ in range(3):
        yield run(t.ones(2)), *in_threads(lambda: run(t.ones(2))), counts


@story
def context_variable(t, compiled):
    scale = contextvars.ContextVar("scale", default=1.0)
    run = compiled(lambda x: x * scale.get())
    yield run(t.ones(2))
    token = scale.set(3.0)
    yield run(t.ones(2))
    scale.reset(token)
    yield run(t.ones(2))


@story
def producer_fed_by_the_step(t, compiled):
    asked, made = queue.Queue(), queue.Queue()

    @compiled
    def run(x):
        asked.put(x * 2)
        return made.get(timeout=5) + x

    def serve():
        for _ in range(3):
            made.put(asked.get(timeout=5) + 1)

    thread = threading.Thread(target=serve)
    thread.start()
    for k in range(3):
        yield run(t.ones(2) * k)
    thread.join()
