"""Whole recipes: attacks, teachers and students, averaged models, contrastive and other losses."""

import copy

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    linear,
    mlp,
    numbers,
    story,
)


@story
def pgd_attack(t, compiled):
    net = mlp(t)

    @compiled
    def attack(x, y, steps):
        adversarial = x.clone().requires_grad_(True)
        for _ in range(steps):
            loss = t.nn.functional.mse_loss(net(adversarial), y)
            (gradient,) = t.autograd.grad(loss, adversarial)
            adversarial = (adversarial + 0.1 * gradient.sign()).detach().requires_grad_(True)
        return adversarial

    for steps in (1, 2, 2):
        yield attack(*batch(t), steps), everything(net)


@story
def fgsm_attack_with_backward(t, compiled):
    net = mlp(t)

    @compiled
    def attack(x, y, epsilon):
        x = x.clone().detach()
        x.requires_grad = True
        loss = t.nn.functional.mse_loss(net(x), y)
        net.zero_grad()
        loss.backward()
        return x.detach() + epsilon * x.grad.sign()

    for k in range(3):
        yield attack(*batch(t, k), 0.1 * k), everything(net)


@story
def input_that_needs_a_gradient_is_an_argument(t, compiled):
    net = mlp(t)

    @compiled
    def saliency(x):
        net(x).sum().backward()
        return x.grad.abs()

    x = batch(t)[0].requires_grad_()
    for _ in range(3):
        yield saliency(x), x.grad
    x.grad.zero_()
    yield saliency(x)


@story
def averaged_model(t, compiled):
    net = mlp(t)
    average = copy.deepcopy(net).requires_grad_(False)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    settings = {"decay": 0.9}

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
        with t.no_grad():
            for old, new in zip(average.parameters(), net.parameters(), strict=True):
                old.mul_(settings["decay"]).add_(new, alpha=1 - settings["decay"])
        return average(x)

    for decay in (0.9, 0.5, 0.0):
        settings["decay"] = decay
        yield step(*batch(t)), everything(net), everything(average)


@story
def averaged_weights_in_a_dict(t, compiled):
    class Average:
        def __init__(self, net):
            self.shadow = {n: p.data.clone() for n, p in net.named_parameters()}
            self.backup, self.updates = {}, 0

        def update(self, net):
            self.updates += 1
            decay = min(0.9, (1 + self.updates) / (10 + self.updates))
            for name, p in net.named_parameters():
                self.shadow[name] = decay * self.shadow[name] + (1 - decay) * p.data

        def apply(self, net):
            for name, p in net.named_parameters():
                self.backup[name] = p.data
                p.data = self.shadow[name]

        def restore(self, net):
            for name, p in net.named_parameters():
                p.data = self.backup[name]

    net = linear(t)
    average = Average(net)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    evaluate = compiled(lambda x: net(x).sum())

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
        average.update(net)

    for k in range(4):
        step(*batch(t, k))
        average.apply(net)
        shadow_value = evaluate(batch(t)[0])
        average.restore(net)
        yield shadow_value, evaluate(batch(t)[0]), everything(net), average.shadow


@story
def teacher_and_student(t, compiled):
    teacher, student = mlp(t).eval(), linear(t)
    optimizer = t.optim.SGD(student.parameters(), lr=0.1)
    settings = {"temperature": 2.0}

    @compiled
    def step(x):
        with t.no_grad():
            soft = (teacher(x) / settings["temperature"]).softmax(1)
        log_soft = (student(x) / settings["temperature"]).log_softmax(1)
        loss = -(soft * log_soft).sum(1).mean() * settings["temperature"] ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for temperature in (2.0, 4.0, 1.0):
        settings["temperature"] = temperature
        yield step(batch(t)[0]), everything(student), everything(teacher)
        teacher.load_state_dict({n: v * 2 for n, v in teacher.state_dict().items()})


@story
def student_becomes_the_teacher(t, compiled):
    roles = {"teacher": linear(t), "student": fill(t, t.nn.Linear(3, 2, bias=False))}

    @compiled
    def step(x):
        roles["student"].zero_grad()
        target = roles["teacher"](x).detach()
        (roles["student"](x) - target).square().mean().backward()
        with t.no_grad():
            for p in roles["student"].parameters():
                p -= 0.1 * p.grad

    for k in range(4):
        step(batch(t, k)[0])
        yield everything(roles["student"]), everything(roles["teacher"])
        if k % 2:
            roles["teacher"], roles["student"] = roles["student"], roles["teacher"]


@story
def contrastive_pairs(t, compiled):
    net = mlp(t)
    scale = t.nn.Parameter(t.tensor(1.0))
    optimizer = t.optim.AdamW([*net.parameters(), scale], lr=0.01)

    @compiled
    def step(a, b):
        a, b = (t.nn.functional.normalize(net(x), dim=1) for x in (a, b))
        logits = scale.exp() * a @ b.t()
        labels = t.arange(len(a))
        loss = t.nn.functional.cross_entropy(logits, labels)
        loss = (loss + t.nn.functional.cross_entropy(logits.t(), labels)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with t.no_grad():
            scale.clamp_(0, 1.02)
        return loss

    for k, size in enumerate((4, 4, 2, 4)):
        yield step(batch(t, k, size)[0], batch(t, k + 1, size)[0]), scale, everything(net)


@story
def prototypes_moved_by_hand(t, compiled):
    centers = numbers(t, 2, 3)

    @compiled
    def assign(x):
        nearest = t.cdist(x, centers).argmin(1)
        for k in range(len(centers)):
            members = x[nearest == k]
            if len(members):
                centers[k] = members.mean(0)
        return nearest

    for k in range(3):
        yield assign(batch(t, k)[0]), centers


@story
def uncertainty_weighted_losses(t, compiled):
    net = fill(t, t.nn.ModuleList([t.nn.Linear(3, 2), t.nn.Linear(3, 2)]))
    log_sigma = t.nn.Parameter(t.zeros(2))
    optimizer = t.optim.SGD([*net.parameters(), log_sigma], lr=0.05)
    tasks = [0, 1]

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        losses = [t.nn.functional.mse_loss(net[k](x), y) for k in tasks]
        parts = [
            (-log_sigma[k]).exp() * v + log_sigma[k] for k, v in zip(tasks, losses, strict=True)
        ]
        sum(parts).backward()
        optimizer.step()
        return losses

    for wanted in ([0, 1], [1], [0], [1, 0]):
        tasks[:] = wanted
        yield step(*batch(t)), log_sigma, everything(net)


@story
def elastic_weight_consolidation(t, compiled):
    net = linear(t)
    anchors, importance = {}, {}

    @compiled
    def step(x, y):
        net.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        for name, p in net.named_parameters():
            if name in anchors:
                loss = loss + (importance[name] * (p - anchors[name]) ** 2).sum()
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
        return loss

    for k in range(4):
        yield step(*batch(t, k)), everything(net)
        if k == 1:
            for name, p in net.named_parameters():
                anchors[name] = p.detach().clone()
                importance[name] = p.grad.square()


@story
def adversarial_weights_and_back(t, compiled):
    net, backup = linear(t), {}

    @compiled
    def step(x):
        net.zero_grad()
        net(x).square().mean().backward()
        for name, p in net.named_parameters():
            backup[name] = p.data.clone()
            p.data.add_(0.1 * p.grad / p.grad.norm())
        net(x).square().mean().backward()
        for name, p in net.named_parameters():
            p.data = backup[name]
        backup.clear()

    for k in range(3):
        step(batch(t, k)[0])
        yield everything(net), len(backup)
