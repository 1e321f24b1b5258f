"""How long things live: copies, pickles, snapshots, weak references, deleted objects."""

import copy
import gc
import io
import pickle
import weakref

from tests.stories.storykit import batch, everything, linear, mlp, story, train_step


@story
def snapshots_of_parameters(t, compiled):
    net = linear(t)
    step = train_step(t, compiled, net, t.optim.SGD(net.parameters(), lr=0.1))
    kept = []
    for k in range(4):
        step(*batch(t, k))
        kept.append((net.weight.detach(), net.weight.detach().clone(), net.weight.clone()))
        yield kept


@story
def snapshot_with_a_graph(t, compiled):
    # The copy is made from the weights; its gradient goes on to them, whatever the step does.
    net = linear(t)
    step = train_step(t, compiled, net, t.optim.SGD(net.parameters(), lr=0.1))
    for k in range(3):
        squared = net.weight * 3
        step(*batch(t, k))
        net.weight.grad = None
        squared.sum().backward()
        yield squared, everything(net)


@story
def state_dict_kept(t, compiled):
    net = linear(t)
    step = train_step(t, compiled, net, t.optim.SGD(net.parameters(), lr=0.1))
    step(*batch(t))
    alias, copied = net.state_dict(), copy.deepcopy(net.state_dict())
    for k in range(3):
        step(*batch(t, k))
        yield alias, copied


@story
def state_dict_of_an_optimizer_kept(t, compiled):
    net = linear(t)
    optimizer = t.optim.Adam(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, optimizer)
    step(*batch(t))
    kept = copy.deepcopy(optimizer.state_dict())["state"]
    for k in range(3):
        step(*batch(t, k))
        yield kept, everything(net, optimizer)


@story
def results_kept(t, compiled):
    net = mlp(t)
    step = train_step(t, compiled, net, t.optim.SGD(net.parameters(), lr=0.1))
    losses = []
    for k in range(4):
        losses.append(step(*batch(t, k)))
        yield losses


@story
def arguments_kept_and_reused(t, compiled):
    x = t.ones(2)
    kept = x.clone()
    run = compiled(lambda a: a * 2)
    for _ in range(4):
        kept_result = run(x)
        x = run(x)
        yield x, kept_result, kept


@story
def module_copied(t, compiled):
    net = mlp(t)
    run = compiled(net.forward)
    yield run(batch(t)[0])
    twin = copy.deepcopy(net)
    twin_run = compiled(twin.forward)
    with t.no_grad():
        twin[0].weight.mul_(2)
    yield run(batch(t)[0]), twin_run(batch(t)[0])
    net[2].bias.data.add_(1)
    yield run(batch(t)[0]), twin_run(batch(t)[0])


@story
def module_replaced_by_its_copy(t, compiled):
    class Trainer:
        def __init__(self):
            self.net = linear(t)
            self.optimizer = t.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)

        def step(self, x, y):
            self.optimizer.zero_grad()
            t.nn.functional.mse_loss(self.net(x), y).backward()
            self.optimizer.step()

    trainer = Trainer()
    step = compiled(trainer.step)
    for k in range(4):
        step(*batch(t, k))
        yield everything(trainer.net, trainer.optimizer)
        if k == 1:
            trainer = copy.deepcopy(trainer)
            step = compiled(trainer.step)


@story
def network_replaced_in_the_closure(t, compiled):
    net = mlp(t)
    run = compiled(lambda x: net(x))
    for k in range(3):
        yield run(batch(t)[0])
        net = copy.deepcopy(net)
        net[0].bias.data.add_(k)


@story
def weights_written_and_read_back(t, compiled):
    net = linear(t)
    step = train_step(t, compiled, net, t.optim.SGD(net.parameters(), lr=0.1))
    step(*batch(t))
    file = io.BytesIO()
    t.save(net.state_dict(), file)
    for k in range(4):
        step(*batch(t, k))
        if k == 1:
            file.seek(0)
            net.load_state_dict(t.load(file))
        yield everything(net)


@story
def module_pickled(t, compiled):
    net = mlp(t)
    run = compiled(lambda x: net(x))
    for _ in range(3):
        yield run(batch(t)[0])
        net = pickle.loads(pickle.dumps(net))
        net[2].weight.data.mul_(2)


@story
def result_dies(t, compiled):
    run = compiled(lambda x: x * 2)
    for k in range(3):
        y = run(t.ones(2) * k)
        reference = weakref.ref(y)
        alive = reference() is y
        del y
        yield alive, reference() is None


@story
def argument_dies(t, compiled):
    run = compiled(lambda x: x.sum())
    for k in range(3):
        x = t.ones(2) * k
        reference = weakref.ref(x)
        y = run(x)
        del x
        yield y, reference() is None


@story
def module_dies(t, compiled):
    for _ in range(3):
        net = linear(t)
        run = compiled(lambda x, net=net: net(x))
        y = run(batch(t)[0])
        reference = weakref.ref(net)
        del net, run
        yield y
        del y
        yield reference() is None


@story
def weak_reference_read_inside(t, compiled):
    class Owner:
        scale = 2.0

    owner = Owner()
    reference = weakref.ref(owner)

    @compiled
    def run(x):
        thing = reference()
        return x if thing is None else x * thing.scale

    yield run(t.ones(2))
    owner.scale = 3.0
    yield run(t.ones(2))
    del owner
    yield run(t.ones(2))


@story
def weak_dictionary_of_states(t, compiled):
    states = weakref.WeakKeyDictionary()
    first, second = linear(t), mlp(t)

    @compiled
    def run(net, x):
        states[net] = states.get(net, 0) + 1
        return net(x) * states[net]

    x, _ = batch(t)
    yield run(first, x), len(states)
    yield run(second, x), len(states)
    yield run(first, x), len(states)
    del second
    yield run(first, x), len(states)


@story
def deleted_inside(t, compiled):
    @compiled
    def run(x):
        y = x * 2
        z = y + 1
        del y, x
        gc.collect(0)
        w = z * z
        del z
        return w

    for k in range(3):
        yield run(t.ones(2) * k)


@story
def attribute_deleted_inside(t, compiled):
    class Net(t.nn.Module):
        def forward(self, x):
            self.hidden = x * 2
            y = self.hidden + 1
            del self.hidden
            return y

    net = Net()
    run = compiled(net)
    for k in range(3):
        yield run(t.ones(2) * k), hasattr(net, "hidden")


@story
def finalizer_runs(t, compiled):
    log = []

    class Resource:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            log.append(self.name)

    @compiled
    def run(x, name):
        resource = Resource(name)
        return x * len(resource.name)

    for name in ("a", "bb", "a"):
        y = run(t.ones(2), name)
        yield y, log


@story
def cycle_of_objects_holding_a_result(t, compiled):
    class Node:
        def __init__(self, value):
            self.value, self.me = value, self

    run = compiled(lambda x: Node(x * 2))
    for k in range(3):
        node = run(t.ones(2) * k)
        value = node.value
        reference = weakref.ref(node)
        del node
        gc.collect(0)
        yield value, reference() is None


@story
def parameter_kept_after_its_network(t, compiled):
    net = linear(t)
    step = train_step(t, compiled, net, t.optim.SGD(net.parameters(), lr=0.1))
    for k in range(3):
        step(*batch(t, k))
        weight, gradient = net.weight, net.weight.grad
        yield weight, gradient
        net.weight = t.nn.Parameter(t.ones(2, 3))
        step(*batch(t, k))
        yield weight, gradient, net.weight
